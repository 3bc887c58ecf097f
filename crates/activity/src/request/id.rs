use crate::ActivityError;
use uuid::Uuid;

/// UUID of a business event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityId(pub [u8; 16]);

impl ActivityId {
    /// What stands in the entry of an activity that is lost.
    pub const NIL: Self = Self([0; 16]);

    /// Reads canonical text: lower case, with hyphens (RFC 9562 §4). The nil UUID names nothing.
    ///
    /// # Errors
    /// [`ActivityError::Malformed`] with `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, ActivityError> {
        let id = Uuid::try_parse(text).ok().filter(|id| !id.is_nil());
        // The library takes other spellings too; one activity has one.
        let id = id.filter(|id| id.hyphenated().to_string() == text);
        let wrong = "expected a UUID like 6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01";
        id.map(|id| Self(id.into_bytes())).ok_or_else(|| ActivityError::malformed(field, wrong))
    }
}

impl std::fmt::Display for ActivityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}
