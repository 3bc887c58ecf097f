//! Functions of the governance contract: logs, sources, writers, and the role itself.

use alloy_primitives::{Address, B256, U256};
use peruri_plog::{
    EMPTY_ROOT,
    layout::{
        LogHead, LogMode, LogSlots, MAY_WRITE, SourceProgress, SourceSigner, SourceSlots,
        address_word, writer_slot,
    },
};

use super::{
    abi::IPlog,
    account::Account,
    stop::{Stop, require},
};

/// The account, for a caller who is known to be the governance address.
pub(super) struct Governance<'a, 'b> {
    account: &'a mut Account<'b>,
    address: Address,
}

impl<'a, 'b> Governance<'a, 'b> {
    /// Checks the caller.
    pub(super) fn of(caller: Address, account: &'a mut Account<'b>) -> Result<Self, Stop> {
        require(account.governance()? == caller, &IPlog::NotGovernance {})?;
        Ok(Self { account, address: caller })
    }

    pub(super) fn create_log(self, id: B256, mode: u32) -> Result<(), Stop> {
        let log = LogSlots::new(id);
        require(!self.account.mode(&log)?.exists, &IPlog::LogExists {})?;
        let head = LogHead { size: 0, block: self.account.block_number() };
        self.account.set(log.head(), head.pack())?;
        self.account.set(log.root(), EMPTY_ROOT.into())?;
        self.account.set(log.mode(), LogMode::existing(mode).pack())?;
        self.account.emit(&IPlog::LogCreated { logId: id, mode });
        Ok(())
    }

    pub(super) fn set_source(self, id: u32, signer: Address, active: bool) -> Result<(), Stop> {
        let source = SourceSlots::new(id);
        // A source that is known keeps its place in its sequence.
        if !is_known(self.account, &source)? {
            self.account.set(source.progress(), SourceProgress::NEW.pack())?;
        }
        self.account.set(source.signer(), SourceSigner { signer, active }.pack())?;
        self.account.emit(&IPlog::SourceSet { sourceId: id, signer, active });
        Ok(())
    }

    pub(super) fn set_gateway(self, id: u32, gateway: Address) -> Result<(), Stop> {
        let source = SourceSlots::new(id);
        require(is_known(self.account, &source)?, &IPlog::NotSource {})?;
        self.account.set(source.gateway(), address_word(gateway))?;
        self.account.emit(&IPlog::GatewaySet { sourceId: id, gateway });
        Ok(())
    }

    pub(super) fn set_writer(self, log: B256, source: u32, allowed: bool) -> Result<(), Stop> {
        self.account.existing(&LogSlots::new(log))?;
        require(is_known(self.account, &SourceSlots::new(source))?, &IPlog::NotSource {})?;
        let word = if allowed { MAY_WRITE } else { U256::ZERO };
        self.account.set(writer_slot(log, source), word)?;
        self.account.emit(&IPlog::WriterSet { logId: log, sourceId: source, allowed });
        Ok(())
    }

    pub(super) fn set_governance(self, governance: Address) -> Result<(), Stop> {
        self.account.set_governance(governance)?;
        self.account.emit(&IPlog::GovernanceSet { old: self.address, now: governance });
        Ok(())
    }
}

/// Whether the source was set before: its signer is never zero then.
fn is_known(account: &mut Account<'_>, source: &SourceSlots) -> Result<bool, Stop> {
    Ok(!account.signer(source)?.signer.is_zero())
}
