//! The precompile's account: words of the storage layout, read and written in the call's journal.
//!
//! Always the account at the fixed address, whatever address a call came in by.

use alloy_evm::EvmInternals;
use alloy_primitives::{Address, B256, Log, U256};
use alloy_sol_types::SolEvent;
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{
        GOVERNANCE_SLOT, LogHead, LogMode, LogSlots, MAY_WRITE, SourceProgress, SourceSigner,
        SourceSlots, address_word, word_address, writer_slot,
    },
};
use revm::primitives::KECCAK_EMPTY;

use super::{
    abi::IPlog,
    stop::{Stop, require},
};

/// What a call sees of the chain.
pub(super) struct Account<'a> {
    internals: EvmInternals<'a>,
}

impl<'a> Account<'a> {
    pub(super) const fn new(internals: EvmInternals<'a>) -> Self {
        Self { internals }
    }

    /// Number of the block.
    pub(super) fn block_number(&self) -> u64 {
        self.internals.block_number().saturating_to()
    }

    /// Time of the block in seconds.
    pub(super) fn block_time(&self) -> u64 {
        self.internals.block_timestamp().saturating_to()
    }

    pub(super) fn get(&mut self, slot: U256) -> Result<U256, Stop> {
        Ok(self.internals.sload(PLOG_ADDRESS, slot)?.data)
    }

    pub(super) fn hash(&mut self, slot: U256) -> Result<B256, Stop> {
        self.get(slot).map(B256::from)
    }

    pub(super) fn set(&mut self, slot: U256, word: U256) -> Result<(), Stop> {
        self.internals.sstore(PLOG_ADDRESS, slot, word)?;
        Ok(())
    }

    /// Emits an event of the contract.
    pub(super) fn emit(&mut self, event: &impl SolEvent) {
        self.internals.log(Log { address: PLOG_ADDRESS, data: event.encode_log_data() });
    }

    /// Whether an account has code; a delegation (EIP-7702) is code.
    pub(super) fn has_code(&mut self, address: Address) -> Result<bool, Stop> {
        let hash = self.internals.load_account(address)?.data.info.code_hash;
        // Accounts with storage only are shown with the code hash zero (`storage_only`).
        Ok(hash != KECCAK_EMPTY && !hash.is_zero())
    }

    pub(super) fn governance(&mut self) -> Result<Address, Stop> {
        self.get(GOVERNANCE_SLOT).map(word_address)
    }

    pub(super) fn set_governance(&mut self, governance: Address) -> Result<(), Stop> {
        self.set(GOVERNANCE_SLOT, address_word(governance))
    }

    pub(super) fn mode(&mut self, log: &LogSlots) -> Result<LogMode, Stop> {
        self.get(log.mode()).map(LogMode::unpack)
    }

    /// Mode of a log that exists, else `UnknownLog()`.
    pub(super) fn existing(&mut self, log: &LogSlots) -> Result<LogMode, Stop> {
        let mode = self.mode(log)?;
        require(mode.exists, &IPlog::UnknownLog {})?;
        Ok(mode)
    }

    pub(super) fn head(&mut self, log: &LogSlots) -> Result<LogHead, Stop> {
        self.get(log.head()).map(LogHead::unpack)
    }

    pub(super) fn signer(&mut self, source: &SourceSlots) -> Result<SourceSigner, Stop> {
        self.get(source.signer()).map(SourceSigner::unpack)
    }

    pub(super) fn gateway(&mut self, source: &SourceSlots) -> Result<Address, Stop> {
        self.get(source.gateway()).map(word_address)
    }

    pub(super) fn progress(&mut self, source: &SourceSlots) -> Result<SourceProgress, Stop> {
        self.get(source.progress()).map(SourceProgress::unpack)
    }

    pub(super) fn may_write(&mut self, log: B256, source: u32) -> Result<bool, Stop> {
        Ok(self.get(writer_slot(log, source))? == MAY_WRITE)
    }
}
