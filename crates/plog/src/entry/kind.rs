/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryType {
    /// Something a user did.
    Activity = 0x01,
    /// Tokens moved.
    TokenEffect = 0x02,
    /// A badge was given or taken.
    BadgeEffect = 0x03,
    /// A document was issued, changed or withdrawn.
    DocumentEvent = 0x04,
    /// Root of a batch of another log; written by `appendRoot` only.
    ForeignRoot = 0x10,
    /// A decision of the organisations that govern the log.
    Governance = 0x20,
    /// Salt and payload of an entry have been destroyed.
    Erasure = 0x7d,
    /// A sequence number whose entry cannot be published.
    Void = 0x7e,
}

impl EntryType {
    const ALL: [Self; 8] = [
        Self::Activity,
        Self::TokenEffect,
        Self::BadgeEffect,
        Self::DocumentEvent,
        Self::ForeignRoot,
        Self::Governance,
        Self::Erasure,
        Self::Void,
    ];

    /// The type for a byte of an entry, if it is one.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }

    /// The byte that stands for this type.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The field's name for it, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::TokenEffect => "token effect",
            Self::BadgeEffect => "badge effect",
            Self::DocumentEvent => "document event",
            Self::ForeignRoot => "foreign batch root",
            Self::Governance => "governance",
            Self::Erasure => "erasure notice",
            Self::Void => "VOID",
        }
    }
}
