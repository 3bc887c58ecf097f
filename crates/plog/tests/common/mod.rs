//! A chain that exists in tests only: a log in a state trie, headers over it, and validators whose
//! keys are known, so that any receipt can be made, honest or forged.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use alloy_consensus::{Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B256, Bytes, U256, b256, hex, keccak256};
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use peruri_ibft2::{
    ExtraData, Form, MIX_HASH, Seal, SealDigest, recover_seals,
    sealing::{digest_to_sign, prepare_header, seal_header},
};
use peruri_plog::{
    ConsistencyAnswer, Entry, EntryType, Frontier, Policy, Receipt, TreeNodes, VoidReason,
    entry::{commitment, subject},
    layout::{
        GOVERNANCE_SLOT, LogHead, LogMode, LogSlots, PLOG_ADDRESS, SourceProgress, SourceSlots,
        VERSION_SLOT, address_word,
    },
    proof::{consistency_proof, inclusion_proof, root_at},
    receipt::{Head, LogPosition, StateProof, StorageItem},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

pub const PAYLOAD: &[u8] = br#"{"hadir":true}"#;
pub const SALT: [u8; 32] = [0x11; 32];
/// The index of the entry that commits to [`PAYLOAD`].
pub const INDEX: u64 = 17;
pub const LOG: B256 = b256!("6163746976697479000000000000000000000000000000000000000000000000");

/// A chain with one log.
#[derive(Clone)]
pub struct World {
    pub chain_id: u64,
    pub genesis_hash: B256,
    pub entries: Vec<Entry>,
    /// Private keys of the validators.
    pub keys: Vec<B256>,
    /// The block whose state is proven.
    pub number: u64,
}

/// The account's storage.
pub type Words = BTreeMap<U256, U256>;

/// What a receipt deviates in from an honest one before it is sealed.
#[derive(Default)]
pub struct Forgery<'a> {
    /// Edits the storage.
    pub words: Option<&'a dyn Fn(&mut Words)>,
    /// Replaces the account's row in the state trie, or takes it away.
    pub account: Option<&'a dyn Fn(Vec<u8>) -> Option<Vec<u8>>>,
    /// Keys of the header's validators.
    pub set: Option<Vec<B256>>,
    /// Keys that seal it.
    pub signers: Option<Vec<B256>>,
    /// Edits the header before it is sealed.
    pub header: Option<&'a dyn Fn(&mut Header)>,
}

impl World {
    /// A log of `size` entries on a chain of `validators`.
    pub fn new(validators: u8, size: u64) -> Self {
        Self {
            chain_id: 7251,
            genesis_hash: B256::repeat_byte(0x9e),
            entries: (0..size).map(entry).collect(),
            keys: (1..=validators).map(key).collect(),
            number: 812,
        }
    }

    pub fn policy(&self) -> Policy {
        Policy {
            chain_id: self.chain_id,
            genesis_hash: self.genesis_hash,
            validators: self.keys.iter().map(|key| address_of(*key)).collect(),
            seals: u32::try_from(self.keys.len()).ok(),
            change_seals: None,
            chain_bound: true,
        }
    }

    /// The policy as an auditor writes it.
    pub fn policy_toml(&self) -> String {
        let policy = self.policy();
        let validators: Vec<_> =
            policy.validators.iter().map(|it| format!("    \"{it:#x}\",\n")).collect();
        format!(
            "chain_id = {}\ngenesis_hash = \"{}\"\nvalidators = [\n{}]\nseals = {}\n",
            policy.chain_id,
            policy.genesis_hash,
            validators.concat(),
            policy.seals.unwrap(),
        )
    }

    pub fn size(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    /// An honest receipt.
    pub fn receipt(&self, index: u64) -> Receipt {
        self.forge(index, &Forgery::default())
    }

    pub fn forge(&self, index: u64, forgery: &Forgery<'_>) -> Receipt {
        let size = self.size();
        let tree = Tree::new(&self.entries);
        let (state_root, state) = self.state(&tree, forgery);
        let entry = &self.entries[usize::try_from(index).unwrap()];
        Receipt {
            chain_id: self.chain_id,
            genesis_hash: self.genesis_hash,
            log: LogPosition { id: LOG, index, size, root: root_at(&tree, size).unwrap() },
            entry: Bytes::copy_from_slice(&entry.encode()),
            inclusion: inclusion_proof(&tree, index, size).unwrap(),
            state,
            header: self.header(self.number, state_root, forgery),
            validator_changes: Vec::new(),
        }
    }

    /// A change of validators in block `number`: a header that lists the keys of `set`, sealed by
    /// `signers`.
    pub fn change(&self, number: u64, set: &[B256], signers: &[B256]) -> Bytes {
        let forgery = Forgery {
            set: Some(set.to_vec()),
            signers: Some(signers.to_vec()),
            ..Forgery::default()
        };
        self.header(number, B256::repeat_byte(1), &forgery)
    }

    fn header(&self, number: u64, state_root: B256, forgery: &Forgery<'_>) -> Bytes {
        let set = forgery.set.as_ref().unwrap_or(&self.keys);
        let mut header = Header {
            number,
            state_root,
            gas_limit: 30_000_000,
            timestamp: 1_767_225_600 + 2 * number,
            base_fee_per_gas: Some(0),
            ..Header::default()
        };
        header = prepare_header(header, self.extra(set).encode(Form::All)).into_inner();
        if let Some(edit) = forgery.header {
            edit(&mut header);
        }
        let header = header.into();
        let Ok(digest) = digest_to_sign(&header) else { return alloy_rlp::encode(header).into() };
        let signers = forgery.signers.as_ref().unwrap_or(set);
        let seals = signers.iter().map(|key| seal(*key, digest)).collect();
        alloy_rlp::encode(seal_header(&header, 0, seals).unwrap()).into()
    }

    pub fn extra(&self, set: &[B256]) -> ExtraData {
        let validators: BTreeSet<_> = set.iter().map(|key| address_of(*key)).collect();
        ExtraData {
            vanity: Bytes::copy_from_slice(self.genesis_hash.as_slice()),
            validators: validators.into_iter().collect(),
            ..ExtraData::default()
        }
    }

    fn words(&self, tree: &Tree) -> Words {
        let log = LogSlots::new(LOG);
        let head = LogHead { size: self.size(), block: self.number - 3 };
        let source = SourceSlots::new(1);
        let progress = SourceProgress { next_seq: self.size() + 1, last_block: head.block };
        let mut words = BTreeMap::from([
            (VERSION_SLOT, U256::from(1)),
            (GOVERNANCE_SLOT, address_word(Address::repeat_byte(0x60))),
            (log.head(), head.pack()),
            (log.root(), tree.frontier.root().into()),
            (log.mode(), LogMode::existing(0).pack()),
            (source.progress(), progress.pack()),
        ]);
        words.extend(tree.frontier.peaks().map(|(level, peak)| (log.peak(level), peak.into())));
        words
    }

    fn state(&self, tree: &Tree, forgery: &Forgery<'_>) -> (B256, StateProof) {
        let mut words = self.words(tree);
        if let Some(edit) = forgery.words {
            edit(&mut words);
        }
        let slots = LogSlots::new(LOG);
        let rows = words
            .iter()
            .map(|(slot, word)| (keccak256(B256::from(*slot)), alloy_rlp::encode(word)));
        let keys = [slots.head(), slots.root()];
        let hashed = keys.map(|key| keccak256(B256::from(key)));
        let (storage_root, proofs) = trie(rows.collect(), &hashed);
        let item = |at: usize| StorageItem {
            key: keys[at].into(),
            value: words.get(&keys[at]).copied().unwrap_or_default(),
            proof: proofs[at].clone(),
        };
        let account = TrieAccount::new(1, U256::ZERO, storage_root, keccak256([0xfe]));
        let account = alloy_rlp::encode(account);
        let account = match forgery.account {
            Some(edit) => edit(account),
            None => Some(account),
        };
        let mut accounts: BTreeMap<B256, Vec<u8>> = (1..40u8)
            .map(|at| (keccak256([at]), alloy_rlp::encode(TrieAccount::default())))
            .collect();
        let hashed = keccak256(PLOG_ADDRESS);
        accounts.extend(account.map(|account| (hashed, account)));
        let (state_root, mut proofs) = trie(accounts, &[hashed]);
        (state_root, StateProof::new(proofs.remove(0), item(0), item(1)))
    }

    /// That this log begins with its first `first` entries.
    pub fn consistency(&self, first: u64) -> ConsistencyAnswer {
        let tree = Tree::new(&self.entries);
        let second = self.size();
        let second_root = root_at(&tree, second).unwrap();
        ConsistencyAnswer {
            log_id: LOG,
            first,
            first_root: root_at(&tree, first).unwrap(),
            second,
            second_root,
            path: consistency_proof(&tree, first, second).unwrap(),
            head: Head {
                log_id: LOG,
                size: second,
                root: second_root,
                block_number: self.number,
                block_hash: B256::repeat_byte(3),
            },
        }
    }

    /// The log as `peruri-node plog export` writes it.
    pub fn export(&self) -> String {
        let mut lines = vec![json(&self.receipt(self.size() - 1))];
        lines.extend(self.entries.iter().map(|entry| hex::encode(entry.encode())));
        lines.join("\n") + "\n"
    }
}

/// All nodes of a log's tree.
pub struct Tree {
    pub frontier: Frontier,
    nodes: BTreeMap<(u8, u64), B256>,
}

impl Tree {
    pub fn new(entries: &[Entry]) -> Self {
        let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
        for entry in entries {
            let keep = |level, index, node| assert_eq!(nodes.insert((level, index), node), None);
            frontier.append(entry.leaf(), keep).unwrap();
        }
        Self { frontier, nodes }
    }
}

impl TreeNodes for Tree {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<B256, Infallible> {
        Ok(self.nodes[&(level, index)])
    }
}

/// The entry at `index`: activities, with a VOID at 5 and a repeated activity at 9.
fn entry(index: u64) -> Entry {
    let seq = index + 1;
    let occurred_at = 1_767_225_600_000 + 1_500 * index;
    let mut activity_id = hex!("6f1f9f0e6f0b4d539a5e0a4b8f0c7d00");
    activity_id[15] = u8::try_from(if index == 9 { 8 } else { index % 256 }).unwrap();
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let subject = subject(&key, "PRI-000042");
    if index == 5 {
        return Entry::void(1, seq, occurred_at, VoidReason::Withdrawn, activity_id, subject);
    }
    let payload = if index == INDEX { PAYLOAD } else { b"{}" };
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: 1,
        source_seq: seq,
        occurred_at,
        activity_id,
        subject,
        commitment: commitment(&SALT, payload),
        effect: B256::ZERO,
    }
}

/// Root of the trie of these rows, and the proof of each target.
pub fn trie(rows: BTreeMap<B256, Vec<u8>>, targets: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let targets: Vec<_> = targets.iter().map(Nibbles::unpack).collect();
    let retainer = ProofRetainer::new(targets.clone());
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, value) in rows {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let proof =
        |target| nodes.matching_nodes_sorted(target).into_iter().map(|(_, node)| node).collect();
    (root, targets.iter().map(proof).collect())
}

pub fn key(byte: u8) -> B256 {
    keccak256([byte])
}

pub fn seal(key: B256, digest: SealDigest) -> Seal {
    Seal::try_from(sign_message(key, digest.0).unwrap()).unwrap()
}

pub fn address_of(key: B256) -> Address {
    let digest = SealDigest(B256::repeat_byte(1));
    recover_seals(digest, &[seal(key, digest)]).unwrap()[0]
}

pub fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// A header that is none of IBFT 2.0's.
pub fn foreign(header: &mut Header) {
    assert_eq!(header.mix_hash, MIX_HASH);
    header.mix_hash = B256::ZERO;
}
