//! Which blocks are valid: header, body and post-execution rules of both kinds of chain.
//!
//! Three traits, in Reth's names, split the rules by what they look at:
//!
//! * [`HeaderValidator`]: a header alone, and a header against its parent;
//! * [`Consensus`]: a body against its header, and a whole block before it is executed;
//! * [`FullConsensus`]: what execution produced against the header.
//!
//! [`IbftConsensus`] is for chains with `config.ibft2`: Hyperledger Besu's rule set for IBFT 2.0,
//! the seals of a quorum included. [`EthereumConsensus`] is for all others: Ethereum's rules from
//! Frontier to Osaka, difficulty and ommers of proof of work included. It does **not** check the
//! proof-of-work seal itself (ethash), so a chain before the merge is as trustworthy as the file it
//! came from; its state, once executed, is right all the same.
//!
//! Every error has a [`RejectionClass`]: malformed bytes, a bad header, a bad transaction, or a body
//! that does not do what its header says. [`ConsensusError::is_internal`] tells errors that are the
//! node's own from those that are the block's.

#![forbid(unsafe_code)]

mod body;
mod decode;
mod error;
mod ethereum;
mod ibft;
mod recover;
mod traits;

pub use body::{MAX_BLOCK_RLP_SIZE, validate_body};
pub use decode::decode_block;
pub use error::{ConsensusError, OmmerError, RejectionClass};
pub use ethereum::{AncestorSource, EthereumConsensus, difficulty};
pub use ibft::{Clock, IbftConsensus, StoredValidators, SystemClock, ValidatorSource};
pub use recover::recover_block;
pub use traits::{Consensus, FullConsensus, HeaderValidator};
