//! The servers.

mod batch;
mod guard;
mod listen;
mod modules;
mod token;

pub use modules::{RpcServerBuilder, RpcServerHandle};
