//! The chain specification that every other crate asks.

use crate::{
    config::{Config, MAINNET_DEPOSIT_CONTRACT, parse_config},
    error::{ChainSpecError, Notice, Position, Site},
    forks::Forks,
    genesis::{genesis_header, parse_genesis},
    json::Node,
    plog::PlogConfig,
};
use alloy_consensus::{BlockHeader, Header};
use alloy_eips::{
    BlobScheduleBlobParams,
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE},
    eip7840::BlobParams,
};
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_genesis::Genesis;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256};
use peruri_ibft2::{ExtraData, Ibft2Schedule, IbftHeader, MIX_HASH};
use peruri_plog::PLOG_ADDRESS;
use revm::primitives::hardfork::SpecId;

/// Everything that makes this chain this chain: genesis block, forks, consensus, fee rules.
///
/// It is immutable and holds no clock: each question names the block it is about.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    chain_id: u64,
    genesis: Genesis,
    header: IbftHeader,
    hash: B256,
    forks: Forks,
    blob_schedule: BlobScheduleBlobParams,
    ibft2: Option<Ibft2Schedule>,
    plog: Option<PlogConfig>,
    zero_base_fee: bool,
    contract_size_limit: Option<usize>,
    deposit_contract: Option<Address>,
}

impl ChainSpec {
    /// Reads a genesis file of Besu or geth.
    ///
    /// Keys are case-insensitive at every level; numbers are JSON numbers, decimal or `0x` texts.
    /// Unknown keys in `config` and below it are errors, elsewhere notices.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError`] with the field and its line and column.
    pub fn from_genesis_json(text: &str) -> Result<(Self, Vec<Notice>), ChainSpecError> {
        Self::read(text).map_err(|error| error.located(|field| place(text, field)))
    }

    fn read(text: &str) -> Result<(Self, Vec<Notice>), ChainSpecError> {
        let mut root = Node::parse(text)?.object()?;
        let mut notices = Vec::new();
        let config = root.require("config")?;
        let mut genesis = parse_genesis(&mut root, &mut notices)?;
        let config_section = parse_config(&config, &genesis, &mut notices)?;
        add_plog_account(&mut genesis, config_section.plog.as_ref())?;
        let spec = Self::assemble(genesis, config_section);
        spec.check_ibft2_genesis(&mut notices)?;
        Ok((spec, notices))
    }

    fn assemble(mut genesis: Genesis, config: Config) -> Self {
        genesis.config.chain_id = config.chain_id;
        let header = genesis_header(&genesis, &config.forks);
        Self::with_header(genesis, header, config)
    }

    fn with_header(genesis: Genesis, header: Header, config: Config) -> Self {
        let header = IbftHeader::from(header);
        Self {
            chain_id: config.chain_id,
            genesis,
            hash: header.hash_slow(),
            header,
            forks: config.forks,
            blob_schedule: config.blob_schedule,
            ibft2: config.ibft2,
            plog: config.plog,
            zero_base_fee: config.zero_base_fee,
            contract_size_limit: config.contract_size_limit,
            deposit_contract: config.deposit_contract,
        }
    }

    /// With `config.ibft2` the extra data of block 0 must list the first validators.
    fn check_ibft2_genesis(&self, notices: &mut Vec<Notice>) -> Result<(), ChainSpecError> {
        if self.ibft2.is_none() {
            return Ok(());
        }
        let validators = self.genesis_validators()?;
        if validators.is_empty() {
            notices.push(Notice::new(
                Site::new("extraData"),
                "lists no validator: nobody can make a block",
            ));
        }
        if self.genesis.mix_hash != MIX_HASH {
            notices.push(Notice::new(Site::new("mixHash"), "is not the IBFT 2.0 constant"));
        }
        Ok(())
    }

    /// The validators that the extra data of block 0 lists, in its order; empty on a chain without
    /// `config.ibft2`.
    ///
    /// # Errors
    ///
    /// If the extra data is not IBFT 2.0's; never after [`Self::from_genesis_json`] returned.
    pub fn genesis_validators(&self) -> Result<Vec<Address>, ChainSpecError> {
        if self.ibft2.is_none() {
            return Ok(Vec::new());
        }
        ExtraData::decode(&self.genesis.extra_data).map(|extra| extra.validators).map_err(|error| {
            ChainSpecError::Invalid {
                site: Site::new("extraData"),
                expected: "IBFT 2.0 extra data: RLP of vanity, validators, vote, round, seals"
                    .into(),
                got: error.to_string(),
            }
        })
    }

    /// The chain id (EIP-155).
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Header fields and allocation of block 0. Of its `config` only the chain id is filled: forks
    /// are asked of this type. A transparency log that begins at genesis is in the allocation.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The header of block 0, state root included.
    pub const fn genesis_header(&self) -> &IbftHeader {
        &self.header
    }

    /// The hash of block 0: keccak256 of the RLP of its full header, on IBFT 2.0 chains too.
    pub const fn genesis_hash(&self) -> B256 {
        self.hash
    }

    /// Consensus settings over time; `None` on a plain Ethereum chain, which can be imported and
    /// served but not extended.
    pub const fn ibft2(&self) -> Option<&Ibft2Schedule> {
        self.ibft2.as_ref()
    }

    /// The transparency log, if `config.plog` is there.
    pub const fn plog(&self) -> Option<&PlogConfig> {
        self.plog.as_ref()
    }

    /// True if the base fee is 0 in every block from London on except block 0.
    pub const fn zero_base_fee(&self) -> bool {
        self.zero_base_fee
    }

    /// Largest contract in bytes, `None` for the limit of EIP-170.
    pub const fn contract_size_limit(&self) -> Option<usize> {
        self.contract_size_limit
    }

    /// When each fork becomes active.
    pub const fn forks(&self) -> &Forks {
        &self.forks
    }

    /// When `fork` becomes active.
    pub fn fork(&self, fork: EthereumHardfork) -> ForkCondition {
        self.forks.get(fork)
    }

    /// True if `fork` is active in the block with this number and timestamp (seconds).
    pub fn is_fork_active(&self, fork: EthereumHardfork, number: u64, timestamp: u64) -> bool {
        self.forks.is_active(fork, number, timestamp)
    }

    /// The EVM rules of the block with this number and timestamp (seconds).
    ///
    /// The EVM has no Constantinople: such blocks have Petersburg's rules.
    pub fn spec_id(&self, number: u64, timestamp: u64) -> SpecId {
        SPEC_IDS
            .into_iter()
            .find(|(fork, _)| self.is_fork_active(*fork, number, timestamp))
            .map_or(SpecId::FRONTIER, |(_, spec)| spec)
    }

    /// Blob limits and prices at this timestamp (seconds), `None` before Cancun.
    pub fn blob_params_at_timestamp(&self, timestamp: u64) -> Option<BlobParams> {
        let active =
            |fork| self.forks.get(fork).as_timestamp().is_some_and(|time| timestamp >= time);
        if let Some(params) = self.blob_schedule.active_scheduled_params_at_timestamp(timestamp) {
            Some(*params)
        } else if active(EthereumHardfork::Osaka) {
            Some(self.blob_schedule.osaka)
        } else if active(EthereumHardfork::Prague) {
            Some(self.blob_schedule.prague)
        } else if active(EthereumHardfork::Cancun) {
            Some(self.blob_schedule.cancun)
        } else {
            None
        }
    }

    /// The blob schedule as configured.
    pub const fn blob_schedule(&self) -> &BlobScheduleBlobParams {
        &self.blob_schedule
    }

    /// Parameters of the base fee (EIP-1559), the same at every height.
    pub const fn base_fee_params(&self) -> BaseFeeParams {
        BaseFeeParams::ethereum()
    }

    /// The base fee of the first London block: on a BFT chain `baseFeePerGas` of the genesis file
    /// if given (Besu's rule), else 1 gwei; in wei.
    pub fn initial_base_fee(&self) -> u64 {
        let given = self.genesis.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
        match given {
            Some(fee) if self.ibft2.is_some() => fee,
            _ => INITIAL_BASE_FEE,
        }
    }

    /// The base fee in wei of the child of `parent` with this timestamp (seconds), `None` before
    /// London.
    pub fn next_base_fee<H: BlockHeader>(&self, parent: &H, timestamp: u64) -> Option<u64> {
        let number = parent.number().saturating_add(1);
        if !self.is_fork_active(EthereumHardfork::London, number, timestamp) {
            return None;
        }
        if self.zero_base_fee {
            return Some(0);
        }
        Some(match parent.base_fee_per_gas() {
            Some(fee) => self.base_fee_params().next_block_base_fee(
                parent.gas_used(),
                parent.gas_limit(),
                fee,
            ),
            None => self.initial_base_fee(),
        })
    }
}

/// Newest first.
const SPEC_IDS: [(EthereumHardfork, SpecId); 14] = [
    (EthereumHardfork::Osaka, SpecId::OSAKA),
    (EthereumHardfork::Prague, SpecId::PRAGUE),
    (EthereumHardfork::Cancun, SpecId::CANCUN),
    (EthereumHardfork::Shanghai, SpecId::SHANGHAI),
    (EthereumHardfork::Paris, SpecId::MERGE),
    (EthereumHardfork::London, SpecId::LONDON),
    (EthereumHardfork::Berlin, SpecId::BERLIN),
    (EthereumHardfork::Istanbul, SpecId::ISTANBUL),
    (EthereumHardfork::Petersburg, SpecId::PETERSBURG),
    (EthereumHardfork::Constantinople, SpecId::PETERSBURG),
    (EthereumHardfork::Byzantium, SpecId::BYZANTIUM),
    (EthereumHardfork::SpuriousDragon, SpecId::SPURIOUS_DRAGON),
    (EthereumHardfork::Tangerine, SpecId::TANGERINE),
    (EthereumHardfork::Homestead, SpecId::HOMESTEAD),
];

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        self.forks.get(fork)
    }
}

impl EthExecutorSpec for ChainSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        Some(self.deposit_contract.unwrap_or(MAINNET_DEPOSIT_CONTRACT))
    }
}

/// Where a field stands that was judged after the whole file was read.
fn place(text: &str, field: &str) -> Option<Position> {
    let mut at = Node::parse(text).ok()?;
    for key in field.split('.') {
        at = at.object().ok()?.take_hidden(key)?;
    }
    Some(at.position())
}

/// A transparency log that begins at genesis is an account of the genesis state.
fn add_plog_account(
    genesis: &mut Genesis,
    plog: Option<&PlogConfig>,
) -> Result<(), ChainSpecError> {
    let Some(plog) = plog else { return Ok(()) };
    if genesis.alloc.contains_key(&PLOG_ADDRESS) {
        return Err(ChainSpecError::Conflict {
            site: Site::new(format!("alloc.{PLOG_ADDRESS:#x}")),
            reason: "config.plog creates this account; take it out of alloc".to_owned(),
        });
    }
    if plog.is_active(0, genesis.timestamp) {
        genesis.alloc.insert(PLOG_ADDRESS, plog.account(0));
    }
    Ok(())
}

/// A [`ChainSpec`] made in code, for tests and tools that know a chain by its forks.
///
/// ```
/// use alloy_hardforks::{EthereumHardfork, ForkCondition};
/// use peruri_chainspec::ChainSpecBuilder;
///
/// let spec = ChainSpecBuilder {
///     chain_id: 1,
///     forks: [
///         (EthereumHardfork::Shanghai, ForkCondition::Timestamp(0)),
///         (EthereumHardfork::Cancun, ForkCondition::Timestamp(15_000)),
///     ]
///     .into_iter()
///     .collect(),
///     ..Default::default()
/// }
/// .build()?;
/// assert_eq!(spec.fork(EthereumHardfork::London), ForkCondition::Block(0));
/// # Ok::<(), peruri_chainspec::ChainSpecError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChainSpecBuilder {
    /// The chain id.
    pub chain_id: u64,
    /// The forks; earlier ones that are left out are derived from the first later one.
    pub forks: Forks,
    /// Header fields and allocation of block 0.
    pub genesis: Genesis,
    /// The header of block 0 where it is known; built from `genesis` otherwise. Its state root is
    /// not checked against the allocation.
    pub genesis_header: Option<Header>,
    /// Consensus; `None` for a plain Ethereum chain.
    pub ibft2: Option<Ibft2Schedule>,
    /// The transparency log; one that begins at genesis is added to the allocation.
    pub plog: Option<PlogConfig>,
    /// Base fee 0 from London on.
    pub zero_base_fee: bool,
    /// Blob parameters; `None` for mainnet's values.
    pub blob_schedule: Option<BlobScheduleBlobParams>,
    /// Largest contract in bytes, `None` for the limit of EIP-170.
    pub contract_size_limit: Option<usize>,
}

impl ChainSpecBuilder {
    /// Derives the missing forks and builds block 0.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError::Conflict`] if the forks are out of order or newer than Osaka, or the
    /// allocation names the log's address.
    pub fn build(self) -> Result<ChainSpec, ChainSpecError> {
        let Self { chain_id, mut forks, mut genesis, genesis_header: header, .. } = self;
        let time = header.as_ref().map_or(genesis.timestamp, |header| header.timestamp);
        forks.complete(time).map_err(|(fork, reason)| ChainSpecError::Conflict {
            site: Site::new(fork.to_string()),
            reason,
        })?;
        let blob_schedule = match self.blob_schedule {
            Some(schedule) => schedule,
            None => crate::blobs::schedule(&Default::default(), &forks).map_err(|name| {
                ChainSpecError::Missing { site: Site::new(format!("blobSchedule.{name}")) }
            })?,
        };
        genesis.config.chain_id = chain_id;
        add_plog_account(&mut genesis, self.plog.as_ref())?;
        let config = Config {
            chain_id,
            forks,
            blob_schedule,
            ibft2: self.ibft2,
            plog: self.plog,
            zero_base_fee: self.zero_base_fee,
            contract_size_limit: self.contract_size_limit,
            deposit_contract: None,
        };
        Ok(match header {
            Some(header) => ChainSpec::with_header(genesis, header, config),
            None => ChainSpec::assemble(genesis, config),
        })
    }
}
