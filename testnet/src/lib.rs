//! Local networks of real node processes, and what a scenario needs to drive them.
//!
//! A scenario starts a [`Node`] (a `peruri-node` process on free loopback ports), talks to it through
//! a [`Client`] over keep-alive HTTP, signs transactions with a [`Wallet`], remembers every block that
//! the node acknowledged in a [`Ledger`], and reports through a [`Judge`], whose last line is
//! `N passed, N failed`. The processes belong to the scenario: they die with it.

mod activity;
pub mod attack;
pub mod check;
mod clock;
mod cluster;
mod command;
mod disk;
mod error;
pub mod faults;
mod genesis;
mod http;
mod image;
mod judge;
mod ledger;
mod load;
mod node;
mod observe;
mod plog;
mod rpc;
pub mod rpc_attack;
mod scenario;
mod signed;
mod startup;
mod token;
mod topology;
mod wallet;
mod websocket;

pub use activity::{Findings, MadeActivity, MirrorClient, MirrorSetup, activities, check_entries};
pub use clock::Clock;
pub use cluster::{
    Cluster, ClusterOptions, ClusterState, DiskChoice, Disks, Member, MemberState, NodeStatus,
    clear, down, status,
};
pub use disk::{SmallDisk, disk_full_obstacle};
pub use error::{Result, TestnetError};
pub use genesis::{GenesisFile, write_secret};
pub use http::Connection;
pub use image::{CutDisk, MountedImage, power_cut_obstacle};
pub use judge::Judge;
pub use ledger::{Ledger, SeenBlock};
pub use load::{Load, LoadReport, stranger};
pub use node::{Node, NodeOptions, Ports, free_port};
pub use observe::{Acknowledged, HeadSample, Observations, Observer, SteadyLoad};
pub use plog::{ACTIVITY_LOG, LogSource, SourceEntry};
pub use rpc::{Client, quantity};
pub use scenario::{Fault, Perturbation, RunOptions, Scenario, Target, Word, is_about_safety, run};
pub use signed::Signed;
pub use startup::{judge, stop_signal};
pub use token::{SCENARIO_TOKEN, Token};
pub use topology::{
    Loopback, NamespaceRecord, Namespaces, Placement, Topology, namespaces_obstacle,
};
pub use wallet::{DEV_KEYS, Network, SignedTransaction, Wallet, dev_wallet};
pub use websocket::WebSocket;
