//! The negative suite: each forgery fails with the code of its own, and every code of the manual
//! is shown by one.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader};
use common::{Forgery, INDEX, LOG, PAYLOAD, Words, World, json, key};
use peruri_plog::{
    Opening, Policy, Receipt, batch_root, layout::LogSlots, receipt::StorageItem, verify,
};
use std::collections::BTreeSet;

/// A case: what was done, the document, the policy it is checked against, the code.
type Case = (&'static str, Vec<u8>, Policy, &'static str);

/// Cases that differ from an honest receipt.
struct Cases {
    world: World,
    honest: Receipt,
    policy: Policy,
    cases: Vec<Case>,
}

impl Cases {
    fn new() -> Self {
        let world = World::new(3, 20);
        let (honest, policy) = (world.receipt(INDEX), world.policy());
        Self { world, honest, policy, cases: Vec::new() }
    }

    fn push(&mut self, what: &'static str, receipt: &Receipt, code: &'static str) {
        self.under(what, receipt, self.policy.clone(), code);
    }

    fn under(&mut self, what: &'static str, receipt: &Receipt, policy: Policy, code: &'static str) {
        self.cases.push((what, json(receipt).into_bytes(), policy, code));
    }

    /// Edits the receipt after it was made.
    fn edit(&mut self, what: &'static str, edit: impl Fn(&mut Receipt), code: &'static str) {
        let mut receipt = self.honest.clone();
        edit(&mut receipt);
        assert_ne!(receipt, self.honest, "{what}");
        self.push(what, &receipt, code);
    }

    /// Edits the text.
    fn text(&mut self, what: &'static str, from: &str, to: &str, code: &'static str) {
        let honest = json(&self.honest);
        assert!(honest.contains(from), "{what}");
        let document = honest.replacen(from, to, 1).into_bytes();
        self.cases.push((what, document, self.policy.clone(), code));
    }

    /// What validators sealed.
    fn forge(&mut self, what: &'static str, forgery: &Forgery<'_>, code: &'static str) {
        let receipt = self.world.forge(INDEX, forgery);
        self.push(what, &receipt, code);
    }

    /// A header whose `extraData` is put together by hand; its seals are not looked at before.
    fn extra(&mut self, what: &'static str, extra: Bytes, code: &'static str) {
        let header = |header: &mut Header| header.extra_data = extra.clone();
        self.edit(what, |receipt| receipt.header = edit_header(&receipt.header, header), code);
    }
}

fn edit_header(bytes: &Bytes, edit: impl Fn(&mut Header)) -> Bytes {
    let mut header = Header::decode(&mut bytes.as_ref()).unwrap();
    edit(&mut header);
    alloy_rlp::encode(header).into()
}

fn rlp_list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

fn rlp_string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes.encode(&mut out);
    out
}

/// `extraData` of any elements.
fn extra_data(world: &World, round: &[u8], validators: &[&[u8]], seals: &[&[u8]]) -> Bytes {
    let strings = |items: &[&[u8]]| -> Vec<_> { items.iter().map(|it| rlp_string(it)).collect() };
    rlp_list(&[
        rlp_string(world.genesis_hash.as_slice()),
        rlp_list(&strings(validators)),
        vec![0x80],
        rlp_string(round),
        rlp_list(&strings(seals)),
    ])
    .into()
}

fn flip(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

fn container(cases: &mut Cases) {
    cases.text("no JSON", "{\"version\"", "{version", "E1_CONTAINER.SYNTAX");
    cases.text(
        "trailing comma",
        "\"validatorChanges\":[]",
        "\"validatorChanges\":[],",
        "E1_CONTAINER.SYNTAX",
    );
    let mut trailing = json(&cases.honest).into_bytes();
    trailing.extend(b" {}");
    cases.cases.push(("trailing bytes", trailing, cases.policy.clone(), "E1_CONTAINER.TRAILING"));
    cases.cases.push(("nothing", Vec::new(), cases.policy.clone(), "E1_CONTAINER.SYNTAX"));
    cases.text("unknown version", "receipt/v1", "receipt/v2", "E1_CONTAINER.VERSION");
    cases.text("unknown member", "{\"version\"", "{\"more\":1,\"version\"", "E1_CONTAINER.UNKNOWN");
    cases.text(
        "unknown member of log",
        "\"index\"",
        "\"more\":1,\"index\"",
        "E1_CONTAINER.UNKNOWN",
    );
    cases.text(
        "unknown member of state",
        "\"address\"",
        "\"more\":1,\"address\"",
        "E1_CONTAINER.UNKNOWN",
    );
    cases.text(
        "unknown member of an item",
        "\"key\"",
        "\"more\":1,\"key\"",
        "E1_CONTAINER.UNKNOWN",
    );
    cases.text("missing member", "\"chainId\":7251,", "", "E1_CONTAINER.MISSING");
    cases.text("missing member of log", "\"index\":17,", "", "E1_CONTAINER.MISSING");
    cases.text("missing list", ",\"validatorChanges\":[]", "", "E1_CONTAINER.MISSING");
    cases.text(
        "duplicate member",
        "\"chainId\":7251",
        "\"chainId\":7251,\"chainId\":7251",
        "E1_CONTAINER.DUPLICATE",
    );
    cases.text(
        "duplicate in log",
        "\"index\":17",
        "\"index\":17,\"index\":17",
        "E1_CONTAINER.DUPLICATE",
    );
    cases.text(
        "object for a list",
        "\"validatorChanges\":[]",
        "\"validatorChanges\":{}",
        "E1_CONTAINER.TYPE",
    );
    cases.text("null", "\"validatorChanges\":[]", "\"validatorChanges\":null", "E1_CONTAINER.TYPE");
    cases.text("list for an object", "\"log\":{", "\"log\":[],\"gol\":{", "E1_CONTAINER.TYPE");
    cases.text("upper-case hex", "0x9e9e", "0x9E9e", "E1_CONTAINER.HEX");
    cases.text("upper-case prefix", "0x9e9e", "0X9e9e", "E1_CONTAINER.HEX");
    cases.text("short hash", "0x9e9e", "0x9e", "E1_CONTAINER.HEX");
    cases.text("half a byte", "\"header\":\"0xf", "\"header\":\"0x", "E1_CONTAINER.HEX");
    cases.text("no prefix", "\"entry\":\"0x", "\"entry\":\"", "E1_CONTAINER.HEX");
    for number in ["17.0", "17e0", "-17", "\"17\"", "9007199254740992", "18446744073709551633"] {
        let to = format!("\"index\":{number}");
        cases.text("number", "\"index\":17", &to, "E1_CONTAINER.NUMBER");
    }
    cases.text("leading zero", "\"index\":17", "\"index\":017", "E1_CONTAINER.SYNTAX");
    cases.text("quantity with zeros", "\"value\":\"0x", "\"value\":\"0x0", "E1_CONTAINER.QUANTITY");
    cases.text(
        "empty quantity",
        "\"value\":\"0x",
        "\"value\":\"0x\",\"eulav\":\"",
        "E1_CONTAINER.QUANTITY",
    );
}

fn entry_and_inclusion(cases: &mut Cases) {
    let set = |at: usize, byte: u8| {
        move |receipt: &mut Receipt| {
            let mut entry = receipt.entry.to_vec();
            entry[at] = byte;
            receipt.entry = entry.into();
        }
    };
    cases.edit("unknown entry version", set(3, b'2'), "E2_ENTRY.MAGIC");
    cases.edit("unknown type", set(4, 5), "E2_ENTRY.TYPE");
    cases.edit("undefined flag", set(5, 8), "E2_ENTRY.FLAGS");
    cases.edit("no source", set(11, 0), "E2_ENTRY.SOURCE");
    cases.edit("another claim", set(27, 0), "E4_INCLUSION.ROOT");
    let shorter = |receipt: &mut Receipt| receipt.entry = receipt.entry.slice(..139);
    cases.edit("short entry", shorter, "E2_ENTRY.LENGTH");
    // The leaf of a tree of half the height: what prefixes of leaves and nodes forbid.
    let leaves: Vec<B256> = cases.world.entries.iter().map(|entry| entry.leaf()).collect();
    let node = [leaves[16].as_slice(), leaves[17].as_slice()].concat();
    let as_leaf = |receipt: &mut Receipt| {
        receipt.entry = node.clone().into();
        receipt.inclusion.remove(0);
        receipt.log.index = 8;
        receipt.log.size = 10;
    };
    cases.edit("leaf presented as node", as_leaf, "E2_ENTRY.LENGTH");
    // A node in the place of the leaf's sibling makes the path too short.
    let above = |receipt: &mut Receipt| {
        receipt.inclusion = vec![batch_root(&leaves[18..20]), batch_root(&leaves[..16])];
    };
    cases.edit("path of the parent", above, "E4_INCLUSION.LENGTH");
    cases.edit("right path, wrong index", |it| it.log.index = 16, "E4_INCLUSION.ROOT");
    cases.edit("wrong index, other length", |it| it.log.index = 3, "E4_INCLUSION.LENGTH");
    cases.edit("path one longer", |it| it.inclusion.push(B256::ZERO), "E4_INCLUSION.LENGTH");
    cases.edit("path one shorter", |it| it.inclusion.truncate(2), "E4_INCLUSION.LENGTH");
    cases.edit("size 0", |it| it.log.size = 0, "E4_INCLUSION.INDEX");
    cases.edit("index is size", |it| it.log.index = 20, "E4_INCLUSION.INDEX");
    let alone = |it: &mut Receipt| {
        (it.log.size, it.log.index, it.log.root) = (1, 0, leaves[17]);
        it.inclusion.clear();
    };
    cases.edit("size 1", alone, "E5_STORAGE.SIZE");
    cases.edit("another root", |it| it.log.root = B256::ZERO, "E4_INCLUSION.ROOT");
}

fn storage(cases: &mut Cases) {
    cases.edit("keys swapped", |it| it.state.storage_proof.swap(0, 1), "E5_STORAGE.KEY");
    cases.edit("another log", |it| it.log.id = B256::ZERO, "E5_STORAGE.KEY");
    cases.edit("a proof missing", |it| drop(it.state.storage_proof.pop()), "E5_STORAGE.COUNT");
    let third = |it: &mut Receipt| it.state.storage_proof.push(it.state.storage_proof[1].clone());
    cases.edit("a third proof", third, "E5_STORAGE.COUNT");
    let value = |it: &mut Receipt| it.state.storage_proof[0].value += U256::from(1);
    cases.edit("value unlike the proof", value, "E5_STORAGE.VALUE");
    let item =
        |edit: fn(&mut StorageItem)| move |it: &mut Receipt| edit(&mut it.state.storage_proof[1]);
    let flipped = |item: &mut StorageItem| item.proof[0] = flip(&item.proof[0], 7);
    cases.edit("flipped bit in a proof", item(flipped), "E5_STORAGE.PROOF");
    let unused = |item: &mut StorageItem| item.proof.push(item.proof[0].clone());
    cases.edit("unused node", item(unused), "E5_STORAGE.UNUSED");
    cases.edit("short proof", item(|item| drop(item.proof.pop())), "E5_STORAGE.SHORT");
    cases.edit("no proof", item(|item| item.proof.clear()), "E5_STORAGE.SHORT");

    let slots = LogSlots::new(LOG);
    let mut words = |what, edit: &dyn Fn(&mut Words), code| {
        let forgery = Forgery { words: Some(edit), ..Forgery::default() };
        cases.forge(what, &forgery, code);
    };
    let set = |slot: U256, word: fn(U256) -> U256| {
        move |words: &mut Words| {
            words.entry(slot).and_modify(|it| *it = word(*it));
        }
    };
    let upper = set(slots.head(), |word| word | (U256::from(1) << 128));
    words("upper half of the head", &upper, "E5_STORAGE.WORD");
    let later = set(slots.head(), |word| word + (U256::from(4) << 64));
    words("append after the header", &later, "E5_STORAGE.BLOCK");
    let size = set(slots.head(), |word| word + U256::from(1));
    words("another size in the state", &size, "E5_STORAGE.SIZE");
    let root = set(slots.root(), |word| word ^ U256::from(1));
    words("another root in the state", &root, "E5_STORAGE.ROOT");
    let none = |words: &mut Words| words.retain(|slot, _| *slot != slots.root());
    words("no root in the state", &none, "E5_STORAGE.ABSENT");
}

fn account(cases: &mut Cases) {
    let address = |it: &mut Receipt| it.state.address = Address::ZERO;
    cases.edit("another account", address, "E6_ACCOUNT.ADDRESS");
    let flipped =
        |it: &mut Receipt| it.state.account_proof[1] = flip(&it.state.account_proof[1], 9);
    cases.edit("flipped bit", flipped, "E6_ACCOUNT.PROOF");
    let unused = |it: &mut Receipt| it.state.account_proof.push(Bytes::new());
    cases.edit("unused node", unused, "E6_ACCOUNT.UNUSED");
    cases.edit("short proof", |it| drop(it.state.account_proof.pop()), "E6_ACCOUNT.SHORT");
    let mut account = |what, edit: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>, code| {
        let forgery = Forgery { account: Some(edit), ..Forgery::default() };
        cases.forge(what, &forgery, code);
    };
    account("no such account", &|_| None, "E6_ACCOUNT.ABSENT");
    account("no account", &|_| Some(rlp_string(&[7; 70])), "E6_ACCOUNT.ACCOUNT");
    let longer = |mut account: Vec<u8>| {
        account.push(0);
        Some(account)
    };
    account("bytes after the account", &longer, "E6_ACCOUNT.ACCOUNT");
    // Validators may seal any state root; that of no trie proves nothing.
    let junk = Bytes::from_static(b"no node of a trie, but with a hash");
    let root = |header: &mut Header| header.state_root = keccak256(&junk);
    let mut receipt =
        cases.world.forge(INDEX, &Forgery { header: Some(&root), ..Forgery::default() });
    receipt.state.account_proof = vec![junk.clone()];
    cases.push("a root of no trie", &receipt, "E6_ACCOUNT.NODE");
    // The same for the storage.
    let storage = |account: Vec<u8>| {
        let mut account = alloy_trie::TrieAccount::decode(&mut account.as_slice()).unwrap();
        account.storage_root = keccak256(&junk);
        Some(alloy_rlp::encode(account))
    };
    let mut receipt =
        cases.world.forge(INDEX, &Forgery { account: Some(&storage), ..Forgery::default() });
    receipt.state.storage_proof[0].proof = vec![junk.clone()];
    cases.push("a storage root of no trie", &receipt, "E5_STORAGE.NODE");
}

fn header(cases: &mut Cases) {
    let trailing = |it: &mut Receipt| it.header = [it.header.as_ref(), &[0x80]].concat().into();
    cases.edit("bytes after the header", trailing, "E7_HEADER.RLP");
    cases.edit("half a header", |it| it.header = it.header.slice(..100), "E7_HEADER.RLP");
    // The list's length with a leading zero.
    let long = |it: &mut Receipt| {
        let [prefix, a, b, rest @ ..] = it.header.as_ref() else { panic!("a short header") };
        assert_eq!(*prefix, 0xf9);
        it.header = [&[0xfa, 0, *a, *b], rest].concat().into();
    };
    cases.edit("non-canonical RLP", long, "E7_HEADER.RLP");
    let change = |it: &mut Receipt| it.validator_changes = vec![Bytes::from_static(&[0xc0])];
    cases.edit("a change that is no header", change, "E7_HEADER.RLP");
    let world = cases.world.clone();
    let addresses = world.extra(&world.keys).validators;
    let validators: Vec<&[u8]> = addresses.iter().map(|it| it.as_slice()).collect();
    let with = |round: &[u8], seals: &[&[u8]]| extra_data(&world, round, &validators, seals);
    cases.extra("round of 3 bytes", with(&[0; 3], &[]), "E7_HEADER.ROUND");
    cases.extra("round of 5 bytes", with(&[0; 5], &[]), "E7_HEADER.ROUND");
    let twice = [validators[0], validators[1], validators[1]];
    cases.extra(
        "a validator twice",
        extra_data(&world, &[0; 4], &twice, &[]),
        "E7_HEADER.VALIDATORS",
    );
    let short = extra_data(&world, &[0; 4], &[&validators[0][..19]], &[]);
    cases.extra("a validator of 19 bytes", short, "E7_HEADER.VALIDATORS");
    let four: Bytes = world.extra(&world.keys).encode(peruri_ibft2::Form::WithoutSeals);
    cases.extra("four elements", four, "E7_HEADER.EXTRA_DATA");
    cases.extra("text", Bytes::from_static(b"geth"), "E7_HEADER.EXTRA_DATA");
    cases.extra("seal of 64 bytes", with(&[0; 4], &[&[1; 64]]), "E9_SEALS.FORM");
    cases.extra("recovery id 27", with(&[0; 4], &[&[27; 65]]), "E9_SEALS.FORM");
    // No point of secp256k1 has the abscissa 5.
    let mut nobody = [0; 65];
    (nobody[31], nobody[63]) = (5, 1);
    cases.extra("seal of nobody", with(&[0; 4], &[&nobody]), "E9_SEALS.RECOVERY");
    cases.extra("no seals", with(&[0; 4], &[]), "E9_SEALS.TOO_FEW");
}

fn chain(cases: &mut Cases) {
    cases.edit("other chain id", |it| it.chain_id = 7252, "E8_CHAIN.CHAIN_ID");
    cases.edit("other genesis", |it| it.genesis_hash = B256::ZERO, "E8_CHAIN.GENESIS_HASH");
    let mut other = cases.world.clone();
    (other.chain_id, other.genesis_hash) = (9999, B256::repeat_byte(0x0f));
    let mut rewritten = other.receipt(INDEX);
    cases.push("another network's", &rewritten, "E8_CHAIN.CHAIN_ID");
    (rewritten.chain_id, rewritten.genesis_hash) = (7251, cases.world.genesis_hash);
    cases.push("another network's, rewritten", &rewritten, "E8_CHAIN.VANITY");
    let [a, b, _] = [1, 2, 3].map(key);
    let mut changed = cases.honest.clone();
    changed.validator_changes = vec![other.change(5, &[a, b], &[a, b])];
    cases.push("a change of another network", &changed, "E8_CHAIN.VANITY");
    let forgery = Forgery { header: Some(&common::foreign), ..Forgery::default() };
    cases.forge("no block of IBFT 2.0", &forgery, "E8_CHAIN.NOT_IBFT2");
}

fn seals(cases: &mut Cases) {
    let [a, b, c, x] = [1, 2, 3, 9].map(key);
    let lax = Policy { seals: None, ..cases.policy.clone() };
    let world = cases.world.clone();
    let sealed = |signers: &[B256]| {
        world.forge(INDEX, &Forgery { signers: Some(signers.to_vec()), ..Forgery::default() })
    };
    cases.push("duplicate seals", &sealed(&[a, b, b]), "E9_SEALS.DUPLICATE");
    cases.push("seal of a removed validator", &sealed(&[a, b, x]), "E9_SEALS.NOT_VALIDATOR");
    cases.push("fewer seals than the policy asks for", &sealed(&[a, b]), "E9_SEALS.TOO_FEW");
    cases.under("fewer than a quorum", &sealed(&[a]), lax.clone(), "E9_SEALS.TOO_FEW");
    assert!(verify(json(&sealed(&[a, c])).as_bytes(), &lax, None).ok());
    let seal = |it: &mut Receipt| it.header = flip(&it.header, it.header.len() - 60);
    cases.edit("flipped bit in a seal", seal, "E9_SEALS.NOT_VALIDATOR");
    let header =
        |edit: fn(&mut Header)| move |it: &mut Receipt| it.header = edit_header(&it.header, edit);
    let gas = header(|header| header.gas_used += 1);
    cases.edit("another header under the same seals", gas, "E9_SEALS.NOT_VALIDATOR");
    let state = header(|header| header.state_root.0[0] ^= 1);
    cases.edit("another state", state, "E6_ACCOUNT.PROOF");
}

fn trust(cases: &mut Cases) {
    let [a, b, c, d, x] = [1, 2, 3, 4, 9].map(key);
    let mut world = cases.world.clone();
    let strict = cases.policy.clone();
    let lax = Policy { seals: None, ..strict.clone() };
    let needless = world.change(5, &[a, b, d], &[a, b, d]);
    cases.edit(
        "a change for nothing",
        |it| it.validator_changes = vec![needless.clone()],
        "E10_TRUST.NEEDLESS",
    );

    world.keys = vec![a, b, d];
    let receipt = world.receipt(INDEX);
    cases.under("another set", &receipt, lax.clone(), "E10_TRUST.SET");
    let with =
        |changes: &[Bytes]| Receipt { validator_changes: changes.to_vec(), ..receipt.clone() };
    let change = |number, set: &[B256], signers: &[B256]| world.change(number, set, signers);
    let honest = change(5, &[a, b, d], &[a, b]);
    assert!(verify(json(&with(std::slice::from_ref(&honest))).as_bytes(), &lax, None).ok());

    // Two of three validators take the third one's place: what `seals = 3` is for.
    let forged = with(&[change(5, &[a, b, d], &[a, b, d])]);
    assert!(verify(json(&forged).as_bytes(), &lax, None).ok());
    cases.under("two of three forge a change", &forged, strict, "E10_TRUST.OLD_SIGNERS");
    let takeover = with(&[change(5, &[a, b, d], &[b, d])]);
    cases.under("one of three changes the set", &takeover, lax.clone(), "E10_TRUST.OLD_SIGNERS");

    let first = change(5, &[a, b, c, d], &[a, b, c]);
    let second = change(9, &[a, b, d], &[a, b, d]);
    assert!(verify(json(&with(&[first.clone(), second.clone()])).as_bytes(), &lax, None).ok());
    let earlier = change(4, &[a, b, d], &[a, b, d]);
    cases.under("out of order", &with(&[first.clone(), earlier]), lax.clone(), "E10_TRUST.ORDER");
    let same = change(5, &[a, b, d], &[a, b, d]);
    cases.under(
        "twice the same number",
        &with(&[first.clone(), same]),
        lax.clone(),
        "E10_TRUST.ORDER",
    );
    for (what, number) in [("change in the header's block", 812), ("change after it", 900)] {
        let change = change(number, &[a, b, d], &[a, b]);
        cases.under(what, &with(&[change]), lax.clone(), "E10_TRUST.NOT_BELOW");
    }
    cases.under("last change leads elsewhere", &with(&[first]), lax.clone(), "E10_TRUST.SET");

    let few = change(5, &[a, b, d], &[a]);
    cases.under("too few seals", &with(&[few]), lax.clone(), "E10_TRUST.TOO_FEW");
    let outside = change(5, &[a, b, d], &[a, b, x]);
    cases.under("seal from outside", &with(&[outside]), lax.clone(), "E10_TRUST.NOT_VALIDATOR");
    let twice = change(5, &[a, b, d], &[a, b, b]);
    cases.under("seal twice", &with(&[twice]), lax.clone(), "E10_TRUST.DUPLICATE");
    let validators = world.extra(&world.keys).validators;
    let validators: Vec<&[u8]> = validators.iter().map(|it| it.as_slice()).collect();
    let with_seal = |seal: &[u8]| {
        let extra = extra_data(&world, &[0; 4], &validators, &[seal]);
        with(&[edit_header(&honest, |header| header.extra_data = extra.clone())])
    };
    cases.under("seal of 64 bytes", &with_seal(&[1; 64]), lax.clone(), "E10_TRUST.FORM");
    let mut nobody = [0; 65];
    (nobody[31], nobody[63]) = (5, 1);
    cases.under("seal of nobody", &with_seal(&nobody), lax, "E10_TRUST.RECOVERY");
}

fn all() -> Cases {
    let mut cases = Cases::new();
    let honest = verify(json(&cases.honest).as_bytes(), &cases.policy, None);
    assert!(honest.ok(), "{:?}", honest.failure());
    for add in [container, entry_and_inclusion, storage, account, header, chain, seals, trust] {
        add(&mut cases);
    }
    cases
}

#[test]
fn each_forgery_fails_with_its_own_code() {
    let mut wrong = Vec::new();
    for (what, document, policy, expected) in all().cases {
        let report = verify(&document, &policy, None);
        assert!(!report.ok() && report.verified().is_none(), "{what}");
        let failed: Vec<_> = report.steps().iter().filter(|step| !step.ok()).collect();
        assert_eq!(failed.len(), 1, "{what}");
        if failed[0].code.as_deref() != Some(expected) {
            wrong.push((what, expected, failed[0].clone()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The manual lists exactly the codes that the cases show.
#[test]
fn the_manual_knows_every_code() {
    let manual = include_str!("../../../docs/auditing.md");
    let is_code = |word: &&str| word.starts_with('E') && word.contains('_') && word.contains('.');
    let word =
        |it: char| !(it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_' || it == '.');
    let told: BTreeSet<&str> = manual.split(word).filter(is_code).collect();
    let mut shown: BTreeSet<&str> = all().cases.iter().map(|(_, _, _, code)| *code).collect();
    let world = World::new(3, 20);
    let opening = Opening { salt: &[0; 32], payload: PAYLOAD };
    let report = verify(json(&world.receipt(INDEX)).as_bytes(), &world.policy(), Some(opening));
    assert_eq!(report.failure().unwrap().code.as_deref(), Some("E11_COMMITMENT.MISMATCH"));
    shown.insert("E11_COMMITMENT.MISMATCH");
    assert_eq!(told, shown);
}
