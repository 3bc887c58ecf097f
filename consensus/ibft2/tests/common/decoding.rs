//! What holds of every decoder, and mutations that try to break it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use peruri_ibft2::{DecodeLimits, ExtraData, Form, Message, SignedPayload};

/// All message codes.
pub const CODES: [u8; 4] = [0, 1, 2, 3];

/// The system's allocator, counting the bytes that the running thread holds.
pub struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn hold(bytes: usize) {
    HELD.with(|held| {
        held.set(held.get().wrapping_add(bytes));
        PEAK.with(|peak| peak.set(peak.get().max(held.get())));
    });
}

fn release(bytes: usize) {
    // What another thread has allocated is not counted here.
    HELD.with(|held| held.set(held.get().saturating_sub(bytes)));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        release(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `decode` and returns its result with the greatest number of bytes it held at once.
pub fn peak<T>(decode: impl FnOnce() -> T) -> (T, usize) {
    HELD.with(|held| held.set(0));
    PEAK.with(|peak| peak.set(0));
    let result = decode();
    (result, PEAK.with(Cell::get))
}

fn within_bounds(input: &[u8], peak: usize) {
    assert!(peak <= 2 * input.len(), "{peak} bytes of memory for {} of input", input.len());
}

/// Decodes a message.
///
/// # Panics
/// If memory exceeds twice the input, or what decodes does not encode to the same bytes.
pub fn check_wire(wire: &[u8]) -> bool {
    let limits = DecodeLimits::DEFAULT;
    let (message, bytes) = peak(|| Message::from_wire(wire, &limits));
    within_bounds(wire, bytes);
    let Ok(message) = message else { return false };
    let (code, rlp) = wire.split_first().expect("an empty message does not decode");
    let (again, dialect) = Message::decode_with_dialect(*code, rlp, &limits).expect("the same");
    assert_eq!(again, message);
    assert_eq!(message.to_wire(dialect.unwrap_or_default())[..], *wire);
    // Nothing that a message is asked for fails on what decodes.
    if let Some(block) = message.block() {
        let _ = (block.digest(), block.hash(), block.with_round(1), block.number());
    }
    let payload = message.signed_payload();
    assert_eq!(SignedPayload::decode(&payload.encode(), &limits), Ok(payload));
    true
}

/// Decodes a signed payload.
///
/// # Panics
/// As [`check_wire`].
pub fn check_payload(bytes: &[u8]) -> bool {
    let (payload, held) = peak(|| SignedPayload::decode(bytes, &DecodeLimits::DEFAULT));
    within_bounds(bytes, held);
    if let Ok(payload) = &payload {
        assert_eq!(payload.encode()[..], *bytes);
    }
    payload.is_ok()
}

/// Decodes `extraData`.
///
/// # Panics
/// As [`check_wire`].
pub fn check_extra_data(bytes: &[u8]) -> bool {
    let (extra, held) = peak(|| ExtraData::decode(bytes));
    within_bounds(bytes, held);
    if let Ok(extra) = &extra {
        assert_eq!(extra.encode(Form::All)[..], *bytes);
    }
    extra.is_ok()
}

/// A small generator of numbers (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }
}

/// Changes `input` in one to four ways; some take pieces of `other`.
pub fn mutate(input: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(140)).min(bytes.len());
        match numbers.below(9) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.next() as u8,
            // Prefixes of RLP are what decoders look at.
            2 => bytes[at] = [0x80, 0xb8, 0xbf, 0xc0, 0xf8, 0xff][numbers.below(6)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => {
                let from = numbers.below(other.len());
                let to = (from + 1 + numbers.below(140)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            7 => items(&mut bytes, &mut numbers),
            _ => bytes[0] = CODES[numbers.below(4)],
        }
    }
    bytes
}

/// Doubles, removes or moves an item of some list, keeping all lengths true.
fn items(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let Some((&code, mut rlp)) = bytes.split_first() else { return };
    let Ok(item) = Item::read(&mut rlp, 0) else { return };
    let mut item = item;
    item.change(numbers);
    let mut out = vec![code];
    item.write(&mut out);
    out.extend_from_slice(rlp);
    *bytes = out;
}

/// RLP as a tree.
enum Item {
    String(Vec<u8>),
    List(Vec<Self>),
}

impl Item {
    fn read(buf: &mut &[u8], depth: usize) -> alloy_rlp::Result<Self> {
        if depth > 12 {
            return Err(alloy_rlp::Error::Custom("deep"));
        }
        let header = alloy_rlp::Header::decode(buf)?;
        let (mut payload, rest) = buf.split_at(header.payload_length);
        *buf = rest;
        if !header.list {
            return Ok(Self::String(payload.to_vec()));
        }
        let mut items = Vec::new();
        while !payload.is_empty() {
            items.push(Self::read(&mut payload, depth + 1)?);
        }
        Ok(Self::List(items))
    }

    fn change(&mut self, numbers: &mut Numbers) {
        let Self::List(items) = self else { return };
        if items.is_empty() {
            return;
        }
        let at = numbers.below(items.len());
        if matches!(items[at], Self::List(_)) && numbers.below(3) > 0 {
            return items[at].change(numbers);
        }
        match numbers.below(5) {
            0 => drop(items.remove(at)),
            1 => {
                let other = numbers.below(items.len());
                items.swap(at, other);
            }
            2 => items[at] = Self::String(Vec::new()),
            3 => items[at] = Self::List(Vec::new()),
            _ => {
                let mut out = Vec::new();
                items[at].write(&mut out);
                if let Ok(copy) = Self::read(&mut out.as_slice(), 0) {
                    items.insert(at, copy);
                }
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        use alloy_rlp::Encodable;
        match self {
            Self::String(bytes) => bytes.as_slice().encode(out),
            Self::List(items) => {
                let mut payload = Vec::new();
                for item in items {
                    item.write(&mut payload);
                }
                alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(out);
                out.extend_from_slice(&payload);
            }
        }
    }
}
