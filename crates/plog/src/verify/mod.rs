//! Whether a receipt holds under a policy: offline, from nothing but the two documents.
//!
//! | step | holds when | code |
//! |---|---|---|
//! | 1 container | the document is a receipt of a known version | `E1_CONTAINER` |
//! | 2 entry | its bytes are an entry | `E2_ENTRY` |
//! | 3 leaf | the leaf hash is derived; nothing can fail here | `E3_LEAF` |
//! | 4 inclusion | the path leads from the leaf to the root | `E4_INCLUSION` |
//! | 5 storage | the account's storage holds that size and root | `E5_STORAGE` |
//! | 6 account | the account is the precompile's, in the header's state | `E6_ACCOUNT` |
//! | 7 header | headers are canonical RLP with an IBFT 2.0 `extraData` | `E7_HEADER` |
//! | 8 chain | they are of the policy's chain | `E8_CHAIN` |
//! | 9 seals | enough members of the header's set sealed it | `E9_SEALS` |
//! | 10 trust | that set is the policy's, or follows from it | `E10_TRUST` |
//! | 11 commitment | on request: salt and payload open the commitment | `E11_COMMITMENT` |
//!
//! What failed is named by the code and a sub-code after a dot (`E9_SEALS.DUPLICATE`). The first
//! failure ends the verification. Steps build on each other from the header up, so they run in the
//! order 1, 2, 3, 4, 7, 6, 5, 8, 9, 10, 11; a report lists those that ran, by number.

mod fault;
mod header;
mod report;
mod run;
mod state;
mod trie;
mod trust;

pub use fault::{Check, Fault};
pub use report::{Report, Step, Verified};
pub use run::{Opening, verify};
