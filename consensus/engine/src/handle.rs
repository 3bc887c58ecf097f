//! The engine as others see it: its state, and the operator's wishes.

use alloy_primitives::Address;
use peruri_ibft2::{RoundId, core::Wish, votes::VoteRefused};
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait.
pub(crate) const WAITING_COMMANDS: usize = 64;

/// Asks the running engine. Clones share it.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    pub(crate) commands: mpsc::Sender<Command>,
}

/// Why the engine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The vote would harm the network.
    #[error(transparent)]
    Refused(#[from] VoteRefused),
    /// The wish list could not be written.
    #[error("the wish list could not be written: {0}")]
    Storage(String),
    /// The engine is stopping, or has more to answer than it can.
    #[error("the engine does not answer")]
    Unavailable,
}

/// Where the running height stands, and who is missing when it stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundState {
    /// Height and round that are worked on.
    pub id: RoundId,
    /// Who proposes in it.
    pub proposer: Option<Address>,
    /// The validators.
    pub validators: Vec<Address>,
    /// How many of them have to agree.
    pub quorum: usize,
    /// This node's address.
    pub local: Address,
    /// Whether this node has accepted the proposal of the round.
    pub proposed: bool,
    /// Validators whose Prepare is known.
    pub prepared: Vec<Address>,
    /// Validators whose Commit is known.
    pub committed: Vec<Address>,
    /// Validators that are connected, this one not counted.
    pub connected: Vec<Address>,
    /// Milliseconds until the round is left; `None` while its timer does not run.
    pub timeout_in_ms: Option<u64>,
    /// Whether this node signs nothing because it is not certain what it has signed before.
    pub in_doubt: bool,
}

pub(crate) type VoteAnswer = oneshot::Sender<Result<(), HandleError>>;

/// What the driver is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Vote { subject: Address, wish: Wish, answer: VoteAnswer },
    CheckVote { subject: Address, wish: Wish, answer: VoteAnswer },
    RoundState(oneshot::Sender<RoundState>),
}

impl EngineHandle {
    /// Puts a wish on the list, where it is durable when this returns, or takes it off.
    ///
    /// # Errors
    /// [`HandleError`]; then the list is as before.
    pub async fn vote(&self, subject: Address, wish: Wish) -> Result<(), HandleError> {
        self.ask(|answer| Command::Vote { subject, wish, answer }).await?
    }

    /// Whether [`vote`](Self::vote) would be accepted now.
    ///
    /// # Errors
    /// [`HandleError::Refused`] if not.
    pub async fn check_vote(&self, subject: Address, wish: Wish) -> Result<(), HandleError> {
        self.ask(|answer| Command::CheckVote { subject, wish, answer }).await?
    }

    /// Where consensus stands.
    ///
    /// # Errors
    /// [`HandleError::Unavailable`].
    pub async fn round_state(&self) -> Result<RoundState, HandleError> {
        self.ask(Command::RoundState).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, HandleError> {
        let (sender, answer) = oneshot::channel();
        self.commands.try_send(command(sender)).map_err(|_| HandleError::Unavailable)?;
        answer.await.map_err(|_| HandleError::Unavailable)
    }
}
