//! Real components that tests start themselves, on loopback and in folders of their own, and end by
//! process id. What is not installed is told by name, so that a test can say why it was skipped.

#![forbid(unsafe_code)]

mod group;
mod rabbitmq;

pub use rabbitmq::{RabbitMq, RabbitMqError};
