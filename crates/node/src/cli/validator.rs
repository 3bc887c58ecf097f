//! `validator`: who validates, and this node's votes about it.

use crate::{
    cli::{client::ClientArgs, exit::UsageError},
    config::DataArgs,
};
use alloy_primitives::Address;
use clap::{Args, Subcommand};
use eyre::WrapErr;
use jsonrpsee::http_client::HttpClient;
use peruri_rpc_api::{IbftApiClient, RoundStateInfo};
use serde_json::json;

/// See the validators and vote on who is one.
///
/// The validators themselves decide: a node is added or removed when more than half of them have voted
/// for it in blocks that they proposed. Each operator runs the same command on the own node.
#[derive(Debug, Args)]
pub struct ValidatorCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the validators
    List,
    /// Vote for adding or removing a validator
    ///
    /// The vote stands on this node's wish list until the chain has fulfilled it or it is discarded; it
    /// goes into blocks that this node proposes. A vote that would leave fewer live validators than the
    /// new set needs to agree is refused, unless --force is given: with it the chain can stop.
    ///
    /// Example: peruri-node validator propose --add 0x627306090abab3a6e1400e9345bc60c78a8bef57
    Propose(ProposeArgs),
    /// Take a vote off the wish list
    Discard {
        /// The validator the vote is about
        address: Address,
    },
    /// Show who is connected, who proposes, and this node's votes
    Status,
}

#[derive(Debug, Args)]
struct ProposeArgs {
    /// Add this address
    #[arg(long, value_name = "ADDRESS", required_unless_present = "remove")]
    add: Option<Address>,
    /// Remove this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "add")]
    remove: Option<Address>,
    /// Cast the vote even if the new set has no live quorum
    #[arg(long)]
    force: bool,
    /// Only say what would follow
    #[arg(long)]
    dry_run: bool,
}

impl ValidatorCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the node cannot be asked or refuses.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let action = self.action;
        self.client.run(data, |client| act(action, client))
    }
}

async fn act(action: Action, client: HttpClient) -> eyre::Result<()> {
    match action {
        Action::List => {
            let validators = client.validators_by_block_number(json!("latest")).await?;
            for validator in validators.unwrap_or_default() {
                println!("{validator:#x}");
            }
            Ok(())
        }
        Action::Propose(args) => propose(args, &client).await,
        Action::Discard { address } => {
            client.discard_validator_vote(json!(address)).await?;
            println!("no vote about {address:#x} any more");
            Ok(())
        }
        Action::Status => status(&client).await,
    }
}

async fn propose(args: ProposeArgs, client: &HttpClient) -> eyre::Result<()> {
    let (subject, add) = match (args.add, args.remove) {
        (Some(address), _) => (address, true),
        (None, Some(address)) => (address, false),
        (None, None) => return Err(UsageError::new("give --add or --remove").into()),
    };
    let state = client.round_state().await?;
    let outlook = Outlook::new(&state, subject, add);
    println!("{outlook}");
    if args.dry_run {
        return Ok(());
    }
    client
        .propose_validator_vote(json!(subject), json!(add), Some(args.force))
        .await
        .wrap_err("the vote was not taken")?;
    println!("the vote is on this node's wish list");
    Ok(())
}

/// What the set would be if the vote succeeded.
struct Outlook {
    members: usize,
    live: usize,
    quorum: usize,
    voters: usize,
}

impl Outlook {
    fn new(state: &RoundStateInfo, subject: Address, add: bool) -> Self {
        let mut members: Vec<Address> = state.validators.clone();
        members.retain(|member| *member != subject);
        if add {
            members.push(subject);
        }
        let is_live = |it: &&Address| **it == state.local || state.connected.contains(it);
        Self {
            members: members.len(),
            live: members.iter().filter(is_live).count(),
            quorum: peruri_ibft2::quorum(members.len()),
            voters: peruri_ibft2::vote_majority(state.validators.len()),
        }
    }
}

impl std::fmt::Display for Outlook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { members, live, quorum, voters } = self;
        write!(
            f,
            "needs {voters} votes; then {members} validators, of which {quorum} must agree and {live} are known to be live"
        )?;
        if live < quorum { write!(f, ": the chain would stop") } else { Ok(()) }
    }
}

async fn status(client: &HttpClient) -> eyre::Result<()> {
    let state = client.round_state().await?;
    println!("height    {} round {}", state.height, state.round);
    println!("quorum    {} of {}", state.quorum, state.validators.len());
    for validator in &state.validators {
        let mut notes = Vec::new();
        if *validator == state.local {
            notes.push(if state.in_doubt {
                "this node, in doubt: signs nothing"
            } else {
                "this node"
            });
        } else if state.connected.contains(validator) {
            notes.push("connected");
        } else {
            notes.push("ABSENT");
        }
        if Some(*validator) == state.proposer {
            notes.push("proposer");
        }
        println!("  {validator:#x}  {}", notes.join(", "));
    }
    for (subject, add) in client.pending_votes().await? {
        println!("vote      {} {subject:#x}", if add { "add" } else { "remove" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U64;

    fn state(validators: u8, connected: u8) -> RoundStateInfo {
        let addresses = |count| (1..=count).map(Address::with_last_byte).collect::<Vec<_>>();
        RoundStateInfo {
            height: U64::from(1),
            round: U64::ZERO,
            proposer: None,
            validators: addresses(validators),
            quorum: U64::from(3),
            local: Address::with_last_byte(1),
            proposal_accepted: false,
            prepared: Vec::new(),
            committed: Vec::new(),
            connected: addresses(connected),
            absent: Vec::new(),
            timeout_in_ms: None,
            in_doubt: false,
        }
    }

    #[test]
    fn the_outlook_counts_the_new_set() {
        let outlook = Outlook::new(&state(4, 3), Address::with_last_byte(9), true).to_string();
        assert!(outlook.starts_with("needs 3 votes; then 5 validators, of which 4"), "{outlook}");
        assert!(outlook.ends_with("3 are known to be live: the chain would stop"), "{outlook}");
        let outlook = Outlook::new(&state(4, 3), Address::with_last_byte(4), false).to_string();
        assert!(outlook.contains("then 3 validators, of which 2"), "{outlook}");
        assert!(!outlook.contains("stop"), "{outlook}");
    }
}
