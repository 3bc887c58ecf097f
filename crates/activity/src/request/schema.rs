use peruri_plog::EntryType;
use std::collections::BTreeMap;

/// What one type of activity becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Type of its entries.
    pub kind: EntryType,
    /// Number of its schema.
    pub number: u16,
    /// Most bytes of a payload.
    pub max_bytes: usize,
}

/// The types that callers may send, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schemas(BTreeMap<String, Schema>);

impl Schemas {
    /// Adds a type; false, and nothing is changed, if the name is taken.
    pub fn insert(&mut self, name: String, schema: Schema) -> bool {
        let free = !self.0.contains_key(&name);
        if free {
            self.0.insert(name, schema);
        }
        free
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&Schema> {
        self.0.get(name)
    }

    /// The type with these numbers in its entries.
    pub fn find_numbers(&self, kind: EntryType, number: u16) -> Option<&Schema> {
        self.0.values().find(|schema| (schema.kind, schema.number) == (kind, number))
    }

    /// Most bytes that the payload of any type may have.
    pub fn largest_payload(&self) -> usize {
        self.0.values().map(|schema| schema.max_bytes).max().unwrap_or_default()
    }
}
