//! Looking at folders: sign state and message log.

use alloy_primitives::Address;
use peruri_ibft2::{Block, DecodeLimits, Message, Secp256k1Crypto, SigningDomain};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The slot file that holds the newest record.
pub(crate) fn newest_slot(sign: &Path) -> PathBuf {
    let mut slots: Vec<_> = [0, 1].map(|i| sign.join(format!("slot-{i}"))).into();
    slots.retain(|slot| slot.exists());
    slots.sort_by_key(|slot| fs::metadata(slot).unwrap().modified().unwrap());
    slots.pop().unwrap()
}

/// The file of a sign state that holds `block`.
pub(crate) fn block_file(sign: &Path, block: &Block) -> PathBuf {
    let bytes = alloy_rlp::encode(block);
    let mut files = fs::read_dir(sign).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|at| at == bytes);
    files.find(holds).unwrap()
}

/// Slots and blocks of a sign state, byte for byte.
pub(crate) fn sign_files(sign: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(sign)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name != "LOCK")
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

/// The messages in a message log that `author` has signed. A record that was cut by a crash is
/// left out.
pub(crate) fn messages_of(log: &Path, author: Address) -> Vec<Message> {
    let bytes = fs::read(log).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let Some((message, tail)) = tail.split_at_checked(length) else { break };
        let message = Message::from_wire(message, &DecodeLimits::DEFAULT).unwrap();
        if message.author(&Secp256k1Crypto, &SigningDomain::Besu) == Some(author) {
            messages.push(message);
        }
        rest = tail;
    }
    messages
}
