//! What operators ask for.

use super::{Done, Driver};
use crate::{
    EngineError,
    handle::{Command, HandleError, RoundState, VoteAnswer},
};
use alloy_primitives::Address;
use peruri_ibft2::{
    RoundId,
    core::{Input, TimerId, Wish},
    quorum,
};
use peruri_storage::{ProviderFactory, ProviderResult, StoredWish};

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) -> Result<(), EngineError> {
        // Who asked may have gone away; that is its own matter, here and below.
        match command {
            Command::Vote { subject, wish, answer } => self.wish(subject, wish, answer),
            Command::CheckVote { subject, wish, answer } => {
                let _ = answer.send(self.core.check_wish(subject, wish).map_err(Into::into));
            }
            Command::RoundState(answer) => {
                let _ = answer.send(self.round_state());
            }
        }
        Ok(())
    }

    /// Writes a wish to the list before the core knows of it.
    fn wish(&self, subject: Address, wish: Wish, answer: VoteAnswer) {
        if let Err(refused) = self.core.check_wish(subject, wish) {
            let _ = answer.send(Err(refused.into()));
            return;
        }
        let (provider, done) = (self.provider.clone(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let result = write_wish(&provider, subject, wish).map_err(EngineError::from);
            let _ = done.send(Done::Wished { subject, wish, result, answer });
        });
    }

    pub(super) fn on_wished(
        &mut self,
        subject: Address,
        wish: Wish,
        result: Result<(), EngineError>,
        answer: VoteAnswer,
    ) -> Result<(), EngineError> {
        if let Err(error) = result {
            let _ = answer.send(Err(HandleError::Storage(error.to_string())));
            return Err(error);
        }
        if wish == Wish::Discard {
            self.wishes.remove(&subject);
        } else {
            self.wishes.insert(subject);
        }
        self.give(Input::Vote { subject, wish })?;
        let _ = answer.send(Ok(()));
        Ok(())
    }

    /// Takes the wishes off the list that the chain has fulfilled.
    pub(super) fn drop_satisfied_wishes(&mut self) {
        let open = self.core.wishes();
        let satisfied: Vec<_> =
            self.wishes.iter().filter(|it| !open.contains_key(*it)).copied().collect();
        if satisfied.is_empty() {
            return;
        }
        self.wishes.retain(|subject| !satisfied.contains(subject));
        let (provider, done) = (self.provider.clone(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let result = satisfied.iter().try_for_each(|it| provider.delete_vote(*it).map(drop));
            let _ = done.send(Done::Unwished(result.map_err(EngineError::from)));
        });
    }

    fn round_state(&self) -> RoundState {
        let id = RoundId::new(self.core.height(), self.core.round());
        let validators = self.core.validators();
        let missing = self.core.missing();
        RoundState {
            id,
            proposer: self.core.proposer(id.round),
            quorum: quorum(validators.len()),
            local: self.signer.address(),
            proposed: !self.core.is_between_blocks(),
            prepared: self.core.prepared_by(),
            committed: validators.iter().filter(|it| !missing.contains(it)).copied().collect(),
            connected: self.peers.connected_of(validators),
            timeout_in_ms: self.timers.left(TimerId::Round(id), self.clock.now().mono_ms),
            in_doubt: self.core.in_doubt(),
            validators: validators.to_vec(),
        }
    }
}

fn write_wish(provider: &ProviderFactory, subject: Address, wish: Wish) -> ProviderResult<()> {
    match wish {
        Wish::Add { force } => provider.put_vote(subject, StoredWish { add: true, force }),
        Wish::Drop { force } => provider.put_vote(subject, StoredWish { add: false, force }),
        Wish::Discard => provider.delete_vote(subject).map(drop),
    }
}
