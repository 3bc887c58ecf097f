//! Answers that stop growing at the size that an answer may have.

use crate::{RpcError, error::RpcResult};
use peruri_rpc_api::Json;
use serde::Serialize;
use std::{io, marker::PhantomData};

/// The error of an answer that would be longer than `limit`.
pub(super) const fn too_long(got: usize, limit: usize) -> RpcError {
    RpcError::Limit { what: "rpc.max-response-size", got: got as u64, limit: limit as u64 }
}

/// The text of one value.
pub(super) fn json<T: Serialize>(value: &T, limit: usize) -> RpcResult<Json<T>> {
    let mut text = Text::new(limit);
    text.push(value)?;
    text.finish()
}

/// The text of a list whose items are not kept.
#[derive(Debug)]
pub(super) struct List<T> {
    text: Text,
    items: PhantomData<T>,
}

impl<T: Serialize> List<T> {
    pub(super) fn new(limit: usize) -> Self {
        let mut text = Text::new(limit);
        text.out.push(b'[');
        Self { text, items: PhantomData }
    }

    pub(super) fn push(&mut self, item: &T) -> RpcResult<()> {
        if self.text.out.len() > 1 {
            self.text.out.push(b',');
        }
        self.text.push(item)
    }

    pub(super) fn finish(mut self) -> RpcResult<Json<Vec<T>>> {
        self.text.out.push(b']');
        self.text.finish()
    }
}

#[derive(Debug)]
struct Text {
    out: Vec<u8>,
    limit: usize,
}

impl Text {
    const fn new(limit: usize) -> Self {
        Self { out: Vec::new(), limit }
    }

    fn push(&mut self, value: &impl Serialize) -> RpcResult<()> {
        serde_json::to_writer(&mut *self, value).map_err(|error| {
            if error.is_io() { too_long(self.limit + 1, self.limit) } else { error.into() }
        })
    }

    fn finish<T>(self) -> RpcResult<Json<T>> {
        let text = String::from_utf8(self.out).map_err(RpcError::internal)?;
        Ok(Json::from_text(text)?)
    }
}

/// Writing fails only where the text would be too long.
impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json() -> RpcResult<()> {
        let mut list = List::new(100);
        assert_eq!(List::<u8>::new(100).finish()?.text(), "[]");
        for item in ["a", "b"] {
            list.push(&item)?;
        }
        assert_eq!(list.finish()?.text(), r#"["a","b"]"#);
        Ok(())
    }

    #[test]
    fn what_is_too_long_is_refused_and_named() {
        assert!(json(&"1234567", 9).is_ok());
        let error = json(&"12345678", 9).map(|json| json.text().to_owned()).expect_err("10 bytes");
        assert_eq!(error.to_string(), "limit exceeded: rpc.max-response-size 10 > 9");
        let mut list = List::new(6);
        assert!(list.push(&"ab").is_ok());
        assert!(list.push(&"cd").is_err());
    }
}
