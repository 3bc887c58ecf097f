//! The servers.

mod accept;
mod batch;
mod guard;
mod listen;
mod modules;
mod token;

pub use modules::{RpcServerBuilder, RpcServerHandle};
