//! The servers.

mod accept;
mod batch;
mod dispatch;
mod endpoint;
mod guard;
mod listen;
mod message;
mod modules;
mod session;
mod token;

pub use modules::{RpcServerBuilder, RpcServerHandle};
