//! What can be wrong with a genesis file, and what is worth saying about one that is right.

use std::{borrow::Cow, fmt};

/// A place in the genesis file, both numbers counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The position of a byte offset in `source`. An offset beyond the end means the end.
    pub(crate) fn of(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let lines = before.matches('\n').count();
        let column = before.get(line_start..).map_or(0, |text| text.chars().count());
        Self { line: lines.saturating_add(1), column: column.saturating_add(1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The key that is meant, as the file spells it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Path of keys, for example `config.ibft2.epochlength`.
    pub field: String,
    /// Place in the file; `None` for what was built in code or is absent from the file.
    pub at: Option<Position>,
}

impl Site {
    /// A site without a place in a file.
    pub fn new(field: impl Into<String>) -> Self {
        Self { field: field.into(), at: None }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} ({at})", self.field),
            None => f.write_str(&self.field),
        }
    }
}

/// Why a chain specification is refused. Every variant but [`Syntax`](Self::Syntax) names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainSpecError {
    /// The text is not JSON.
    #[error("genesis is not valid JSON at {at}: {message}")]
    Syntax {
        /// Where the parser stopped.
        at: Position,
        /// What the parser says.
        message: String,
    },
    /// A key that nobody defines, in a section that decides consensus.
    #[error("{site}: unknown key; {hint}")]
    UnknownKey {
        /// The key.
        site: Site,
        /// The key that was probably meant, or the keys that the section knows.
        hint: String,
    },
    /// One key twice; keys are compared without regard to case.
    #[error("{site}: the same key stands already at {first} (keys are case-insensitive)")]
    DuplicateKey {
        /// The second occurrence.
        site: Site,
        /// The first occurrence.
        first: Position,
    },
    /// A required key is absent.
    #[error("{site}: missing")]
    Missing {
        /// The absent key; the position is that of the object it belongs to.
        site: Site,
    },
    /// A value of the wrong type, form or range.
    #[error("{site}: expected {expected}, got {got}")]
    Invalid {
        /// The key.
        site: Site,
        /// What would be right.
        expected: Cow<'static, str>,
        /// What the file has, cut to a readable length.
        got: String,
    },
    /// Values that are fine alone and contradict each other.
    #[error("{site}: {reason}")]
    Conflict {
        /// The key that was looked at last.
        site: Site,
        /// What contradicts what.
        reason: String,
    },
    /// A setting of another client that this node does not implement and must not ignore.
    #[error("{site}: not supported: {reason}")]
    Unsupported {
        /// The key.
        site: Site,
        /// Why, and what to do instead.
        reason: Cow<'static, str>,
    },
}

impl ChainSpecError {
    /// The field that is meant, `None` if the text is not JSON at all.
    pub fn field(&self) -> Option<&str> {
        self.site().map(|site| site.field.as_str())
    }

    /// The place in the file, if there is one.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { at, .. } => Some(*at),
            _ => self.site().and_then(|site| site.at),
        }
    }

    /// Adds the position that `find` knows of the field, if the error has none yet.
    pub(crate) fn located(mut self, find: impl FnOnce(&str) -> Option<Position>) -> Self {
        if let Self::UnknownKey { site, .. }
        | Self::DuplicateKey { site, .. }
        | Self::Missing { site }
        | Self::Invalid { site, .. }
        | Self::Conflict { site, .. }
        | Self::Unsupported { site, .. } = &mut self
            && site.at.is_none()
        {
            site.at = find(&site.field);
        }
        self
    }

    const fn site(&self) -> Option<&Site> {
        match self {
            Self::Syntax { .. } => None,
            Self::UnknownKey { site, .. }
            | Self::DuplicateKey { site, .. }
            | Self::Missing { site }
            | Self::Invalid { site, .. }
            | Self::Conflict { site, .. }
            | Self::Unsupported { site, .. } => Some(site),
        }
    }
}

/// Something an operator should read when the node starts: an ignored key, a derived value, a
/// quirk that the file runs into. A notice never changes the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The key that is meant.
    pub site: Site,
    /// What follows from it.
    pub message: Cow<'static, str>,
}

impl Notice {
    pub(crate) fn new(site: Site, message: impl Into<Cow<'static, str>>) -> Self {
        Self { site, message: message.into() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.site, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "ab\nç d\n";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 3), Position { line: 2, column: 1 });
        assert_eq!(Position::of(text, 6), Position { line: 2, column: 3 });
        assert_eq!(Position::of(text, 999), Position { line: 3, column: 1 });
    }

    #[test]
    fn an_error_names_field_and_place() {
        let site = Site { field: "config.x".into(), at: Some(Position { line: 3, column: 7 }) };
        let error = ChainSpecError::Missing { site };
        assert_eq!(error.to_string(), "config.x (3:7): missing");
        assert_eq!(error.field(), Some("config.x"));
        assert_eq!(error.position(), Some(Position { line: 3, column: 7 }));
    }
}
