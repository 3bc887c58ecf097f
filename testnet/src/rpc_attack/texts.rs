//! R13: what error texts must not tell.

use crate::attack::Finding;
use parking_lot::Mutex;

/// Signs of a stack trace or of the source.
const INTERNALS: [&str; 5] = ["panicked", "RUST_BACKTRACE", "thread '", ".rs:", "stack backtrace"];

/// Error texts that clients got.
#[derive(Debug, Default)]
pub(super) struct Texts {
    seen: Mutex<Vec<String>>,
    /// Paths of the node's files, its keys.
    secrets: Vec<String>,
}

impl Texts {
    /// `secrets` must not occur in any text.
    pub(super) fn new(secrets: Vec<String>) -> Self {
        Self { seen: Mutex::default(), secrets }
    }

    pub(super) fn add(&self, text: &str) {
        let mut seen = self.seen.lock();
        if !seen.iter().any(|known| known == text) {
            seen.push(text.to_owned());
        }
    }

    /// `None` if there was no text to look at.
    pub(super) fn finding(&self) -> Option<Finding> {
        let seen = self.seen.lock();
        if seen.is_empty() {
            return None;
        }
        let tells = |text: &&String| {
            INTERNALS.iter().any(|sign| text.contains(sign))
                || self.secrets.iter().any(|secret| text.contains(secret))
        };
        let bad: Vec<&String> = seen.iter().filter(tells).collect();
        let shown = match bad.first() {
            Some(text) => format!("{} of {} texts, the first: {text}", bad.len(), seen.len()),
            None => format!("{} different texts", seen.len()),
        };
        let name = "no error text tells paths, keys or internals";
        Some(Finding::new(name, bad.is_empty(), shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let texts = Texts::new(vec!["/data/key".to_owned()]);
        texts.add(text);
        texts.finding().expect("a text").holds
    }

    #[test]
    fn paths_and_traces_are_found() {
        assert!(holds("limit exceeded: rpc.max-slots 2 > 1"));
        assert!(!holds("cannot read /data/key"));
        assert!(!holds("panicked at src/lib.rs:1"));
        assert_eq!(Texts::default().finding(), None);
    }
}
