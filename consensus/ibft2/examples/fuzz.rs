//! Feeds decoders with random and mutated bytes for a while.
//!
//! ```text
//! cargo run -p peruri-ibft2 --example fuzz -- [--target NAME] [--seconds N] [--seed N]
//! ```
//!
//! Without a target each runs in turn: `any_message` (all kinds, whole messages), `proposal`,
//! `prepare`, `commit`, `round_change` (of one kind), `signed_payload`, `extra_data`. Stops with the
//! seed of the input at the first panic, allocation above twice the input, or input that decodes but
//! does not encode to the same bytes.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use alloy_primitives::Bytes;
use common::{
    Network,
    decoding::{Counting, Numbers, check_payload, check_wire, mutate},
};
use peruri_ibft2::{Dialect, ExtraData, Form, Message, SigningDomain};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Name of a target, its corpus, and what checks an input and tells whether it decoded.
type Target = (&'static str, Vec<Bytes>, fn(&[u8]) -> bool);

fn main() {
    let mut wanted = None;
    let (mut seconds, mut seed) = (60, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--target" => wanted = Some(value),
            "--seconds" => seconds = value.parse().unwrap(),
            "--seed" => seed = value.parse().unwrap(),
            _ => panic!("unknown option {name}"),
        }
    }
    let chosen: Vec<Target> = targets()
        .into_iter()
        .filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| wanted == name))
        .collect();
    assert!(!chosen.is_empty(), "no target {wanted:?}");
    for target in &chosen {
        run(target, Duration::from_secs(seconds), seed);
    }
    println!("{} passed, 0 failed", chosen.len());
}

/// Panics if the target fails; the seed has then been written.
fn run((name, corpus, check): &Target, time: Duration, seed: u64) {
    let end = Instant::now() + time;
    let (mut inputs, mut decoded) = (0u64, 0u64);
    while Instant::now() < end {
        for _ in 0..256 {
            let at = seed.wrapping_shl(40).wrapping_add(inputs);
            let input = input(corpus, at);
            let result = std::panic::catch_unwind(|| check(&input));
            let Ok(result) = result else {
                eprintln!("{name}: seed {seed}, input {inputs}: {}", Bytes::from(input));
                println!("0 passed, 1 failed");
                std::process::exit(1);
            };
            decoded += u64::from(result);
            inputs += 1;
        }
    }
    eprintln!("{name}: {inputs} inputs, {decoded} of them decoded");
}

/// One input in 16 is random, the others are mutations of a valid one.
fn input(corpus: &[Bytes], seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    if numbers.below(16) == 0 {
        return (0..numbers.below(300)).map(|_| numbers.next() as u8).collect();
    }
    let input = &corpus[numbers.below(corpus.len())];
    let other = &corpus[numbers.below(corpus.len())];
    mutate(input, other, numbers.next())
}

fn targets() -> Vec<Target> {
    let messages: Vec<Message> = [1, 2, 4, 7]
        .into_iter()
        .flat_map(|n| Network::new(n, SigningDomain::Besu).messages())
        .collect();
    let wire: Vec<Bytes> = messages
        .iter()
        .flat_map(|message| [Dialect::V25, Dialect::V26].map(|dialect| message.to_wire(dialect)))
        .collect();
    let of = |code: u8| wire.iter().filter(|wire| wire[0] == code).cloned().collect();
    let payloads = messages.iter().map(|message| message.signed_payload().encode()).collect();
    let extra_data = messages
        .iter()
        .filter_map(Message::block)
        .map(|block| {
            let seal = common::seal(common::key(1), block.digest().unwrap());
            ExtraData { seals: vec![seal; 3], ..block.extra_data().unwrap() }.encode(Form::All)
        })
        .collect();
    vec![
        ("any_message", wire.clone(), check_wire),
        ("proposal", of(0), check_wire),
        ("prepare", of(1), check_wire),
        ("commit", of(2), check_wire),
        ("round_change", of(3), check_wire),
        ("signed_payload", payloads, check_payload),
        ("extra_data", extra_data, common::decoding::check_extra_data),
    ]
}
