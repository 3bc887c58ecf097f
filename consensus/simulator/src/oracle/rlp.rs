//! A reader of RLP items, for the oracles only.

/// One item and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Whether the item is a list.
    pub list: bool,
    /// What the item holds.
    pub payload: &'a [u8],
    /// The item with its prefix.
    pub raw: &'a [u8],
}

impl<'a> Item<'a> {
    /// The items of a list; `None` for a string or for a list that does not end with its last item.
    pub fn items(&self) -> Option<Vec<Item<'a>>> {
        if !self.list {
            return None;
        }
        let mut rest = self.payload;
        let mut items = Vec::new();
        while !rest.is_empty() {
            items.push(take(&mut rest)?);
        }
        Some(items)
    }

    /// The string as a number of at most 8 bytes.
    pub fn number(&self) -> Option<u64> {
        if self.list || self.payload.len() > 8 {
            return None;
        }
        Some(self.payload.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// The string, if it has exactly `N` bytes.
    pub fn fixed<const N: usize>(&self) -> Option<[u8; N]> {
        if self.list { None } else { self.payload.try_into().ok() }
    }
}

/// The item that `bytes` consist of.
pub fn whole(bytes: &[u8]) -> Option<Item<'_>> {
    let mut rest = bytes;
    let item = take(&mut rest)?;
    rest.is_empty().then_some(item)
}

/// Takes the first item off `rest`.
pub fn take<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let all = *rest;
    let first = *all.first()?;
    let (list, head, length) = match first {
        0..=0x7f => (false, 0, 1),
        0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
        0xb8..=0xbf => (false, 1 + usize::from(first - 0xb7), long(all, first - 0xb7)?),
        0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
        0xf8..=0xff => (true, 1 + usize::from(first - 0xf7), long(all, first - 0xf7)?),
    };
    let end = head.checked_add(length)?;
    let item = Item { list, payload: all.get(head..end)?, raw: all.get(..end)? };
    *rest = all.get(end..)?;
    Some(item)
}

fn long(all: &[u8], width: u8) -> Option<usize> {
    let digits = all.get(1..=usize::from(width))?;
    digits.iter().try_fold(0_usize, |sum, byte| Some(sum.checked_mul(256)? | usize::from(*byte)))
}

/// The prefix of a list of `length` bytes, and the list.
pub fn list(payload: &[u8]) -> Vec<u8> {
    with_prefix(0xc0, payload)
}

/// A string with its prefix.
pub fn string(payload: &[u8]) -> Vec<u8> {
    match payload {
        [byte @ 0..=0x7f] => vec![*byte],
        _ => with_prefix(0x80, payload),
    }
}

fn with_prefix(base: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 4);
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=55) => out.push(base + short),
        _ => {
            let digits = payload.len().to_be_bytes();
            let digits = &digits[digits.iter().position(|digit| *digit != 0).unwrap_or(7)..];
            out.push(base + 55 + digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for length in [0, 1, 2, 55, 56, 255, 256, 70_000] {
            let text = vec![0x90; length];
            let item = string(&text);
            assert_eq!(whole(&item).unwrap().payload, text);
            let both = list(&[item.clone(), item.clone()].concat());
            assert_eq!(whole(&both).unwrap().items().unwrap().len(), 2);
        }
        assert_eq!(string(&[5]), [5]);
    }

    #[test]
    fn cut_items_are_none() {
        let item = list(&string(&[7; 60]));
        for end in 0..item.len() {
            assert_eq!(whole(&item[..end]), None);
        }
        assert_eq!(whole(&[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
