//! The phrases of scenarios.
//!
//! ```text
//! input   = act { ", " act | "+" act }
//! act     = "block timer (h,r)" | "round timer (h,r)" | "new head event"
//!         | "block h imported" [ " by sync" ] | "code c with empty payload"
//!         | "Proposal(h,r)" [ " from proposer" | " with valid certificate" ]
//!         | "same Proposal(h,r) again"
//!         | kinds place " from " who
//!         | "RoundChange(h,r,none)" | "RoundChange(h,r,cert rN block X)" " from " who [ " four times" ]
//! kinds   = "Prepare" | "Commit" | "Prepare and Commit"
//! place   = "rN" (of height 1) | "(h,r)"
//! who     = letters | "proposer" | "all" | "all three remotes" | "both non-proposing remotes"
//! ```

use peruri_ibft2::messages::RoundId;

/// Something that happens to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Its block timer runs out.
    BlockTimer(RoundId),
    /// Its round timer runs out.
    RoundTimer(RoundId),
    /// The block that it has finalised is stored.
    NewHead,
    /// A block comes from sync.
    Import(u64),
    /// A message without content.
    Raw(u8),
    /// The proposal of a round.
    Proposal(RoundId),
    /// The last proposal once more.
    Again,
    /// A Prepare for the block of the round.
    Prepare(RoundId, Who),
    /// A Commit for the block of the round.
    Commit(RoundId, Who),
    /// A RoundChange.
    RoundChange {
        /// Height and target.
        id: RoundId,
        /// Round and block of its certificate.
        certificate: Option<(u32, String)>,
        /// Authors.
        who: Who,
        /// How often it comes.
        times: usize,
    },
}

/// Authors of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// The proposer of the round.
    Proposer,
    /// All others.
    All,
    /// All others but the proposer.
    NotProposing,
    /// Those with these letters.
    Letters(Vec<usize>),
}

/// A message that the node sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// A proposal, of a block with this name.
    Proposal {
        /// Height and round.
        id: RoundId,
        /// Name of the block.
        block: Option<String>,
    },
    /// A Prepare.
    Prepare((Option<u64>, u32)),
    /// A Commit.
    Commit((Option<u64>, u32)),
    /// A RoundChange.
    RoundChange {
        /// Height and target.
        id: RoundId,
        /// Round of its certificate and authors of the prepares in it; the node itself is `None`.
        prepares: Option<(u32, Vec<Option<usize>>)>,
    },
    /// A Prepare of this author that is passed on to all but the author.
    Gossip(RoundId, usize),
}

/// What happens in a step.
pub(super) fn acts(text: &str) -> Vec<Act> {
    // "Proposal(2,0)+Prepare+Commit(2,0) from all"
    if let Some((proposal, rest)) = text.split_once('+') {
        let mut acts = acts(proposal);
        let kinds = rest.replace('+', " and ").replacen('(', " (", 1);
        acts.extend(self::acts(&kinds));
        return acts;
    }
    if let Some(rest) = text.strip_prefix("block timer ") {
        return vec![Act::BlockTimer(place(rest))];
    }
    if let Some(rest) = text.strip_prefix("round timer ") {
        return vec![Act::RoundTimer(place(rest))];
    }
    if text == "new head event" {
        return vec![Act::NewHead];
    }
    if text.starts_with("block ") && text.contains(" imported") {
        let height = u64::from(numbers(text)[0]);
        let mut acts = vec![Act::Import(height)];
        acts.extend(text.ends_with("new head event").then_some(Act::NewHead));
        return acts;
    }
    if text.starts_with("code ") {
        return vec![Act::Raw(u8::try_from(numbers(text)[0]).unwrap())];
    }
    if text.starts_with("same Proposal") {
        return vec![Act::Again];
    }
    if text.starts_with("Proposal") {
        return vec![Act::Proposal(place(text))];
    }
    let (what, from) = text.split_once(" from ").unwrap_or_else(|| panic!("{text}: from whom?"));
    let times = if from.ends_with(" four times") { 4 } else { 1 };
    let who = who(from.trim_end_matches(" four times"));
    if what.starts_with("RoundChange") {
        let id = place(what);
        let certificate = what.split_once("cert r").map(|(_, rest)| {
            let (round, name) = rest.split_once(" block ").unwrap();
            (round.parse().unwrap(), name.trim_end_matches(')').to_owned())
        });
        return vec![Act::RoundChange { id, certificate, who, times }];
    }
    let id = place(what);
    let mut acts = Vec::new();
    if what.starts_with("Prepare") {
        acts.push(Act::Prepare(id, who.clone()));
    }
    if what.starts_with("Commit") || what.contains("and Commit") {
        acts.push(Act::Commit(id, who));
    }
    assert!(!acts.is_empty(), "unknown input {text}");
    acts
}

/// A message that is to be sent.
pub(super) fn expected(text: &str) -> Sent {
    if let Some(rest) = text.strip_prefix("gossip Prepare ") {
        let (place_text, except) = rest.split_once(" to all except ").unwrap();
        return Sent::Gossip(place(place_text), letter(except));
    }
    if text.starts_with("Proposal") {
        let block = text
            .split_once(" block ")
            .map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned());
        return Sent::Proposal { id: place(text), block };
    }
    if text.starts_with("RoundChange") {
        let prepares = text.split_once("certificate of r").map(|(_, rest)| {
            let (round, names) = rest.split_once(" with prepares [").unwrap();
            let names = names.trim_end_matches([')', ']']);
            let names = names.split(',').map(|name| (name != "local").then(|| letter(name)));
            (round.parse().unwrap(), names.collect())
        });
        return Sent::RoundChange { id: place(text), prepares };
    }
    let digits = numbers(text);
    let id = match digits.as_slice() {
        [round] => (None, *round),
        [height, round] => (Some(u64::from(*height)), *round),
        other => panic!("{text}: {other:?}"),
    };
    if text.starts_with("Prepare") { Sent::Prepare(id) } else { Sent::Commit(id) }
}

fn who(text: &str) -> Who {
    match text {
        "proposer" => Who::Proposer,
        "both non-proposing remotes" => Who::NotProposing,
        text if text.starts_with("all") => Who::All,
        text => Who::Letters(text.split(',').map(letter).collect()),
    }
}

fn letter(text: &str) -> usize {
    let byte = text.bytes().next().unwrap();
    assert!(byte.is_ascii_uppercase() && text.len() == 1, "{text} is no name");
    usize::from(byte - b'A')
}

/// The first two numbers, or the first as a round of height 1.
fn place(text: &str) -> RoundId {
    match numbers(text).as_slice() {
        [height, round, ..] => RoundId::new(u64::from(*height), *round),
        [round] => RoundId::new(1, *round),
        [] => panic!("{text} names no round"),
    }
}

fn numbers(text: &str) -> Vec<u32> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}
