//! PLOG, the transparency log, as a precompiled contract at
//! [`PLOG_ADDRESS`](peruri_plog::PLOG_ADDRESS).
//!
//! Entries, hashing, proofs and storage layout are the crate `peruri-plog`'s; here is what the EVM
//! adds: who may call, what it costs, and how it begins. `contracts/src/IPlog.sol` is the interface.
//!
//! | module | what it knows |
//! |---|---|
//! | `precompile` | one call: the order of the checks, and what becomes of their failure |
//! | `call` | strict decoding of the ABI |
//! | `gas` | the price table |
//! | `stop` | refusal, out of gas, failing database |
//! | `account` | words of the account, events |
//! | `append`, `govern`, `read` | the functions |
//! | `capture` | the entries of a block, for the node's index |
//! | `lane` | what a call appends, without a state |
//! | `activation` | the account's creation in a running chain, and the check at start |
//! | `governance` | the governance contract in a genesis allocation |
//! | [`abi`] | bindings of the contracts |
//!
//! The order of the checks; the first that fails decides. A refusal is a revert with a Solidity
//! error that keeps what was charged so far.
//!
//! 1. 200 gas.
//! 2. Called directly (`DirectCallOnly`), without value, a known selector (`BadCall`).
//! 3. Canonical ABI, values in range, known mode bits, no zero source, signer, governance
//!    (`BadCall`).
//! 4. A function that writes, in a static context (`ReadOnly`).
//! 5. `append`: whole entries and at least one (`BadEntry(0)`), at most 1,024 (`TooLarge`).
//! 6. The table's price, before anything is copied or read; `frontier` pays for its peaks once the
//!    size is known.
//! 7. Governance functions: the caller (`NotGovernance`), the log (`UnknownLog`, `LogExists`), the
//!    source (`NotSource`); `rootAt`: the size (`UnknownSize`).
//! 8. Appends: the log (`UnknownLog`), the source and its caller (`NotSource`), its next number
//!    (`BadSeq`), room (`TooLarge`).
//! 9. `append`: the price of subject chains and notices, then the entries in order (`BadEntry`).
//!
//! There are no refunds and no warm or cold slots (EIP-2929) inside. A database that fails is a
//! fatal error: it says nothing about the call, and the block is given up.

pub mod abi;
mod account;
mod activation;
mod append;
mod call;
mod capture;
mod gas;
mod govern;
mod governance;
mod lane;
mod precompile;
mod read;
mod stop;

pub(crate) use activation::Activation;
pub use activation::{PlogAccountError, check_plog_account};
pub(crate) use capture::Capture;
pub use gas::append_gas;
pub use governance::{BadMembers, GOVERNANCE_ADDRESS, MOST_MEMBERS, governance_account};
pub use lane::AppendCall;
pub(crate) use precompile::precompile;
