//! The pool from outside: signed transactions in, files on a disk, blocks coming.

#![allow(clippy::unwrap_used)]

mod admission;
mod blobs;
mod flood;
mod journal;
mod lane;
mod permission;
mod provider;
mod support;
