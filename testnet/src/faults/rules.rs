//! Packet filter rules inside a node's namespace.
//!
//! They drop what arrives from a peer, whatever the protocol, so that TCP and QUIC are hit alike. A
//! rule on what leaves would tell the sender: `sendmsg` then fails with `EPERM`, which no real
//! network does.

use crate::{Namespaces, Result};

/// A rule that drops packets from one node at another.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// The node that does not hear.
    pub at: usize,
    /// The node that is not heard.
    pub from: usize,
    /// Share of packets that is lost; `None` loses all.
    pub probability: Option<f64>,
}

impl Drop {
    /// Puts the rule in force.
    ///
    /// # Errors
    /// [`crate::TestnetError::Command`] with iptables' message.
    pub fn apply(&self, network: &Namespaces) -> Result<()> {
        self.change("-A", network)
    }

    /// Takes the rule back.
    ///
    /// # Errors
    /// As [`Drop::apply`].
    pub fn remove(&self, network: &Namespaces) -> Result<()> {
        self.change("-D", network)
    }

    fn change(&self, verb: &str, network: &Namespaces) -> Result<()> {
        let from = network.ip(self.from);
        let share = self.probability.map_or_else(String::new, |probability| {
            format!("-m statistic --mode random --probability {probability:.4} ")
        });
        let line = format!("iptables-legacy -w 10 {verb} INPUT -s {from} {share}-j DROP");
        network.run(self.at, &line)
    }
}

/// Rules in force; [`Rules::lift`] ends them.
#[derive(Debug, Default)]
pub struct Rules(Vec<Drop>);

impl Rules {
    /// Puts all in force.
    ///
    /// # Errors
    /// As [`Drop::apply`].
    pub fn apply(network: &Namespaces, rules: impl IntoIterator<Item = Drop>) -> Result<Self> {
        let rules: Vec<_> = rules.into_iter().collect();
        for rule in &rules {
            rule.apply(network)?;
        }
        Ok(Self(rules))
    }

    /// Takes all back.
    ///
    /// # Errors
    /// As [`Drop::remove`].
    pub fn lift(self, network: &Namespaces) -> Result<()> {
        self.0.iter().try_for_each(|rule| rule.remove(network))
    }
}
