//! Which ommers a proof-of-work block may carry (Yellow Paper, section 11.1).

use std::{collections::HashMap, fmt};

use alloy_primitives::B256;
use peruri_primitives::{Block, Header, SealedBlock, SealedHeader};
use peruri_storage::{ProviderFactory, ProviderResult};

use super::header;
use crate::{ConsensusError, OmmerError};
use peruri_chainspec::ChainSpec;

/// Most ommers of one block.
const MAX_OMMERS: usize = 2;

/// How many generations up an ommer's parent may be.
const GENERATIONS: usize = 7;

/// Where ancestors of a block are found.
pub trait AncestorSource: fmt::Debug + Send + Sync {
    /// The block with this hash, if it is known.
    ///
    /// # Errors
    /// If the store fails.
    fn ancestor(&self, hash: &B256) -> ProviderResult<Option<Block>>;
}

impl AncestorSource for ProviderFactory {
    fn ancestor(&self, hash: &B256) -> ProviderResult<Option<Block>> {
        self.block_by_hash(*hash)
    }
}

/// Checks number, kinship and headers of a block's ommers.
pub(super) fn validate(
    spec: &ChainSpec,
    block: &SealedBlock,
    source: &dyn AncestorSource,
) -> Result<(), ConsensusError> {
    let ommers = &block.body().ommers;
    if ommers.is_empty() {
        return Ok(());
    }
    if ommers.len() > MAX_OMMERS {
        return Err(ConsensusError::TooManyOmmers { got: ommers.len(), max: MAX_OMMERS });
    }
    let mut family = Family::collect(block, source)?;
    ommers.iter().enumerate().try_for_each(|(index, ommer)| {
        family
            .admit(spec, block.header().parent_hash, ommer)
            .map_err(|reason| ConsensusError::Ommer { index, reason })
    })
}

/// A block's ancestors and what they have included.
struct Family {
    ancestors: HashMap<B256, SealedHeader>,
    included: Vec<B256>,
    here: Vec<B256>,
}

impl Family {
    fn collect(block: &SealedBlock, source: &dyn AncestorSource) -> Result<Self, ConsensusError> {
        let mut family =
            Self { ancestors: HashMap::new(), included: Vec::new(), here: vec![block.hash()] };
        let mut hash = block.header().parent_hash;
        for _ in 0..GENERATIONS {
            let Some(Block { header, body }) = source.ancestor(&hash)? else { break };
            family.included.extend(body.ommers.iter().map(Header::hash_slow));
            let parent = header.parent_hash;
            let is_genesis = header.number == 0;
            family.ancestors.insert(hash, SealedHeader::new(header, hash));
            if is_genesis {
                break;
            }
            hash = parent;
        }
        Ok(family)
    }

    fn admit(
        &mut self,
        spec: &ChainSpec,
        parent_of_block: B256,
        ommer: &Header,
    ) -> Result<(), OmmerError> {
        let hash = ommer.hash_slow();
        if self.here.contains(&hash) {
            return Err(OmmerError::Duplicate);
        }
        if self.ancestors.contains_key(&hash) {
            return Err(OmmerError::IsAncestor);
        }
        if self.included.contains(&hash) {
            return Err(OmmerError::AlreadyIncluded);
        }
        let parent = self.ancestors.get(&ommer.parent_hash);
        let parent = match parent {
            Some(parent) if ommer.parent_hash != parent_of_block => parent,
            _ => return Err(OmmerError::NotKin),
        };
        header::validate(spec, ommer)
            .and_then(|()| header::validate_against_parent(spec, ommer, parent))
            .map_err(|error| OmmerError::Header(Box::new(error)))?;
        self.here.push(hash);
        Ok(())
    }
}
