//! The blocks of one test: validated and executed on overlays.

use std::{collections::HashMap, sync::Arc};

use alloy_primitives::{B256, U256};
use parking_lot::RwLock;
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_primitives::{Block, SealedBlock, SealedHeader};
use peruri_storage::{ExecutedBlock, ProviderFactory, ProviderResult, StateProvider};
use peruri_validation::{
    AncestorSource, Consensus, ConsensusError, EthereumConsensus, HeaderValidator, RejectionClass,
    decode_block, recover_block,
};

/// A block of the tree.
#[derive(Debug, Clone)]
struct Node {
    header: SealedHeader,
    block: Block,
    /// `None` for the genesis, which is committed.
    executed: Option<Arc<ExecutedBlock>>,
    total_difficulty: U256,
}

/// Blocks by hash, shared with the rules that look ancestors up.
#[derive(Debug, Clone, Default)]
struct Blocks(Arc<RwLock<HashMap<B256, Node>>>);

impl AncestorSource for Blocks {
    fn ancestor(&self, hash: &B256) -> ProviderResult<Option<Block>> {
        Ok(self.0.read().get(hash).map(|node| node.block.clone()))
    }
}

/// How blocks are validated and executed.
#[derive(Debug)]
struct Rules {
    chain_spec: Arc<ChainSpec>,
    consensus: EthereumConsensus,
    evm: PeruriEvmConfig,
}

impl Rules {
    fn new(chain_spec: Arc<ChainSpec>, blocks: &Blocks) -> Self {
        Self {
            consensus: EthereumConsensus::new(chain_spec.clone(), Arc::new(blocks.clone())),
            evm: PeruriEvmConfig::new(chain_spec.clone()),
            chain_spec,
        }
    }

    fn validate(
        &self,
        block: &SealedBlock,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        self.consensus.validate_header(header)?;
        self.consensus.validate_header_against_parent(header, parent)?;
        self.consensus.validate_block_pre_execution(block)
    }

    /// Many tests put an invalid transaction into a block whose header was made without it: such a
    /// block is refused for its transactions root, and the reason that is meant shows only if the
    /// transactions are executed all the same.
    fn second_reason(
        &self,
        first: &ConsensusError,
        block: SealedBlock,
        state: &dyn StateProvider,
    ) -> Option<ConsensusError> {
        if !matches!(first, ConsensusError::BodyRoot { field: "transactionsRoot", .. }) {
            return None;
        }
        match recover_block(&self.chain_spec, block) {
            Ok(block) => self.evm.execute_block(&block, state).err().map(Into::into),
            Err(error) => Some(error),
        }
    }
}

/// Why a block is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The first broken rule.
    pub(crate) first: Box<ConsensusError>,
    /// What else is wrong, where the first rule hides it.
    pub(crate) also: Option<Box<ConsensusError>>,
}

impl Refusal {
    /// The classes of the reasons; `None` if the node failed instead.
    pub(crate) fn classes(&self) -> Option<Vec<RejectionClass>> {
        let first = self.first.class()?;
        match &self.also {
            Some(also) => Some(vec![first, also.class()?]),
            None => Some(vec![first]),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.first)?;
        match &self.also {
            Some(also) => write!(f, "; and {also}"),
            None => Ok(()),
        }
    }
}

impl<E: Into<ConsensusError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { first: Box::new(error.into()), also: None }
    }
}

/// All blocks of a test that are valid.
#[derive(Debug)]
pub(crate) struct BlockTree {
    factory: ProviderFactory,
    blocks: Blocks,
    rules: Rules,
    /// Rules from a total difficulty on, for a test that merges by it.
    merged: Option<(U256, Rules)>,
}

impl BlockTree {
    /// A tree on the genesis of `factory`. `merged` are total difficulty and chain specification of
    /// the blocks after the merge.
    pub(crate) fn new(
        factory: ProviderFactory,
        chain_spec: Arc<ChainSpec>,
        merged: Option<(U256, Arc<ChainSpec>)>,
        genesis: Block,
    ) -> Self {
        let blocks = Blocks::default();
        let header = SealedHeader::seal_slow(genesis.header.clone());
        let total_difficulty = header.difficulty;
        let node = Node { header, block: genesis, executed: None, total_difficulty };
        blocks.0.write().insert(node.header.hash(), node);
        Self {
            factory,
            rules: Rules::new(chain_spec, &blocks),
            merged: merged.map(|(at, spec)| (at, Rules::new(spec, &blocks))),
            blocks,
        }
    }

    /// Decodes, validates and executes a block, and adds it to the tree.
    ///
    /// # Errors
    /// Why the block is refused.
    pub(crate) fn import(&self, bytes: &[u8]) -> Result<B256, Refusal> {
        let block = SealedBlock::seal_slow(decode_block(bytes)?);
        let hash = block.hash();
        if self.blocks.0.read().contains_key(&hash) {
            return Ok(hash);
        }
        let parent_hash = block.header().parent_hash;
        let parent = self.blocks.0.read().get(&parent_hash).cloned();
        let parent = parent.ok_or(ConsensusError::UnknownParent(parent_hash))?;
        let rules = self.rules_after(&parent);
        let header = block.clone_sealed_header();
        let kept = block.clone_block();
        let state = self.factory.overlay(parent_hash, self.candidates(parent_hash))?;
        if let Err(error) = rules.validate(&block, &header, &parent.header) {
            let also = rules.second_reason(&error, block, &state);
            return Err(Refusal { first: Box::new(error), also: also.map(Box::new) });
        }
        let recovered = recover_block(&rules.chain_spec, block)?;
        let executed = rules.evm.process_block(recovered, &state)?;
        let total_difficulty = parent.total_difficulty.saturating_add(header.difficulty);
        let node =
            Node { header, block: kept, executed: Some(Arc::new(executed)), total_difficulty };
        self.blocks.0.write().insert(hash, node);
        Ok(hash)
    }

    /// The executed blocks from the one after genesis to the one with this hash, oldest first;
    /// empty for the genesis, and for a hash that is not in the tree.
    pub(crate) fn candidates(&self, mut hash: B256) -> Vec<Arc<ExecutedBlock>> {
        let blocks = self.blocks.0.read();
        let mut chain = Vec::new();
        while let Some(Node { executed: Some(executed), header, .. }) = blocks.get(&hash) {
            chain.push(executed.clone());
            hash = header.parent_hash;
        }
        chain.reverse();
        chain
    }

    /// Whether a block is in the tree.
    pub(crate) fn contains(&self, hash: &B256) -> bool {
        self.blocks.0.read().contains_key(hash)
    }

    /// Commits the chain that ends in `hash` and forgets the rest.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) fn commit(self, hash: B256) -> ProviderResult<ProviderFactory> {
        for block in self.candidates(hash) {
            self.factory.commit_block(&block)?;
        }
        Ok(self.factory)
    }

    fn rules_after(&self, parent: &Node) -> &Rules {
        match &self.merged {
            Some((at, rules)) if parent.total_difficulty >= *at => rules,
            _ => &self.rules,
        }
    }
}
