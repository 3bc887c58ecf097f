//! Text that is already JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{fmt, marker::PhantomData, sync::Arc};

/// An answer that is already JSON text and stands for a `T`.
///
/// Cloning is a reference count; serialising copies the text. The receiving side calls
/// [`decode`](Self::decode) when it wants the value.
pub struct Json<T> {
    raw: Arc<RawValue>,
    marker: PhantomData<fn() -> T>,
}

impl<T> Json<T> {
    /// Wraps JSON text.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] if `text` is not one JSON value.
    pub fn from_text(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(Self::from_raw)
    }

    /// Wraps a raw JSON value.
    pub fn from_raw(raw: Box<RawValue>) -> Self {
        Self { raw: raw.into(), marker: PhantomData }
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        self.raw.get()
    }
}

impl<T: Serialize> Json<T> {
    /// Serialises a value.
    ///
    /// # Errors
    ///
    /// Whatever the value's `Serialize` returns.
    pub fn encode(value: &T) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(Self::from_raw)
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Decodes the value.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] if the text is not a `T`.
    pub fn decode(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text())
    }
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), marker: PhantomData }
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl<T> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from_raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_through_unchanged() -> serde_json::Result<()> {
        let text = r#"{"b":1,"a":[true,null]}"#;
        let json = Json::<serde_json::Value>::from_text(text.to_owned())?;
        assert_eq!(serde_json::to_string(&json)?, text);
        assert_eq!(json.decode()?["b"], 1);
        Ok(())
    }

    #[test]
    fn text_that_is_not_json_is_refused() {
        assert!(Json::<u8>::from_text("{".to_owned()).is_err());
        assert!(Json::<u8>::from_text("1 2".to_owned()).is_err());
    }

    #[test]
    fn null_is_not_a_json_answer_of_an_option() -> serde_json::Result<()> {
        let none: Option<Json<u8>> = serde_json::from_str("null")?;
        assert!(none.is_none());
        let some: Option<Json<u8>> = serde_json::from_str("7")?;
        assert_eq!(some.map(|json| json.decode()).transpose()?, Some(7));
        Ok(())
    }
}
