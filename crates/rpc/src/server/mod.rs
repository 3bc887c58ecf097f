//! The servers.

mod batch;
mod guard;
mod listen;
mod modules;

pub use modules::{RpcServerBuilder, RpcServerHandle};
