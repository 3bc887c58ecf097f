//! The file: written whole or not at all, read to its last byte.

use super::{Handover, HandoverError, Header, Row, SealedRow};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Line<'a> {
    Header(Cow<'a, Header>),
    Row(Cow<'a, Row>),
    Sealed(Cow<'a, SealedRow>),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct End {
    sha256: B256,
}

impl Handover {
    /// Writes the file `path`, which must not exist, readable for its owner only. When this returns
    /// it is on disk; when it fails there is none. `progress` is told the lines.
    ///
    /// # Errors
    /// The file exists, or the system's.
    pub fn save(&self, path: &Path, progress: impl FnMut(u64, u64)) -> io::Result<()> {
        refuse_existing(path)?;
        let mut part: OsString = path.as_os_str().to_owned();
        part.push(".part");
        // What an interrupted run has left is of no use.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        let mut out = BufWriter::new(file);
        self.write(&mut out, progress)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        refuse_existing(path)?;
        fs::rename(&part, path)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Writes the lines.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(
        &self,
        out: &mut impl Write,
        mut progress: impl FnMut(u64, u64),
    ) -> io::Result<()> {
        let total = (self.rows.len() + self.sealed.len()) as u64;
        let header = Line::Header(Cow::Borrowed(&self.header));
        let rows = self.rows.iter().map(|row| Line::Row(Cow::Borrowed(row)));
        let sealed = self.sealed.iter().map(|sealed| Line::Sealed(Cow::Borrowed(sealed)));
        let mut hasher = Sha256::new();
        for (done, line) in (0..).zip(std::iter::once(header).chain(rows).chain(sealed)) {
            let bytes = encode(&line)?;
            hasher.update(&bytes);
            out.write_all(&bytes)?;
            progress(done, total);
        }
        let end = Line::End(End { sha256: B256::new(hasher.finalize().into()) });
        out.write_all(&encode(&end)?)
    }

    /// Reads a whole file; `progress` is told the bytes that were read.
    ///
    /// # Errors
    /// [`HandoverError::Damaged`], also if it ends too early, or the reader's.
    pub fn read(
        input: &mut impl BufRead,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, HandoverError> {
        let (mut header, mut rows, mut sealed) = (None, Vec::new(), Vec::new());
        let (mut hasher, mut bytes, mut ended, mut read) = (Sha256::new(), Vec::new(), false, 0);
        for number in 1.. {
            bytes.clear();
            read += input.read_until(b'\n', &mut bytes)? as u64;
            let damaged = |reason: &dyn std::fmt::Display| HandoverError::Damaged {
                line: number,
                reason: reason.to_string(),
            };
            if bytes.is_empty() {
                break;
            }
            if ended {
                return Err(damaged(&"lines after the end"));
            }
            match serde_json::from_slice(&bytes).map_err(|error| damaged(&error))? {
                Line::Header(it) if header.is_none() && number == 1 => {
                    header = Some(it.into_owned());
                }
                Line::Header(_) => return Err(damaged(&"a second header")),
                Line::Row(it) => rows.push(it.into_owned()),
                Line::Sealed(it) => sealed.push(it.into_owned()),
                Line::End(it) if it.sha256.0 == <[u8; 32]>::from(hasher.finalize_reset()) => {
                    ended = true;
                }
                Line::End(_) => return Err(damaged(&"the lines are not those that were written")),
            }
            hasher.update(&bytes);
            progress(read);
        }
        let cut = || HandoverError::Inconsistent("its end is missing".to_owned());
        let header = header.filter(|_| ended).ok_or_else(cut)?;
        Ok(Self { header, rows, sealed })
    }
}

fn encode(line: &Line<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn refuse_existing(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        handover::{Duplicate, VERSION},
        mark::SealedMark,
    };
    use alloy_primitives::{Address, FixedBytes};
    use std::os::unix::fs::PermissionsExt;

    fn handover() -> Handover {
        let last_sealed = SealedMark { nonce: 4, first_seq: 7, hash: B256::repeat_byte(3) };
        let header = Header {
            version: VERSION,
            genesis: B256::repeat_byte(1),
            chain_id: 7251,
            source: 1,
            signer: Address::repeat_byte(2),
            log: B256::repeat_byte(4),
            next_seq: 7,
            nonce: 4,
            granted: 0,
            session: 3,
            highest: 9,
            last_sealed: Some(last_sealed),
        };
        let row = |seq: u64| Row {
            seq,
            accepted_ms: 5,
            entry: FixedBytes::repeat_byte(6),
            closing: seq.is_multiple_of(2).then(|| FixedBytes::repeat_byte(7)),
            duplicate_of: seq
                .is_multiple_of(4)
                .then(|| Duplicate { log: B256::repeat_byte(8), index: 9 }),
        };
        let sealed = SealedRow { nonce: 4, first_seq: 7, count: 2, raw: vec![1, 2, 3].into() };
        Handover { header, rows: (7..10).map(row).collect(), sealed: vec![sealed] }
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        handover().write(&mut bytes, |_, _| {}).unwrap();
        bytes
    }

    fn read(mut bytes: &[u8]) -> Result<Handover, HandoverError> {
        Handover::read(&mut bytes, |_| {})
    }

    #[test]
    fn a_file_is_written_once_for_its_owner_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handover");
        // An interrupted run.
        fs::write(folder.path().join("handover.part"), b"{").unwrap();
        handover().save(&path, |_, _| {}).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), written());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read(&written()).unwrap(), handover());
        let again = handover().save(&path, |_, _| {}).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn lines_have_the_form_of_the_documentation() {
        let text = String::from_utf8(written()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["header"]["nextSeq"], 7);
        assert_eq!(lines[0]["header"]["lastSealed"]["firstSeq"], 7);
        assert_eq!(lines[1]["row"]["seq"], 7);
        assert_eq!(lines[2]["row"]["duplicateOf"]["index"], 9);
        assert_eq!(lines[4]["sealed"]["raw"], "0x010203");
        assert!(lines[5]["end"]["sha256"].is_string());
    }

    #[test]
    fn a_damaged_file_is_refused_wherever_it_is_damaged() {
        let whole = written();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err(), "byte {at}");
            // The last line needs no end of line.
            assert_eq!(read(&whole[..at]).is_ok(), at == whole.len() - 1, "{at} bytes");
        }
        let more = [whole.as_slice(), b"{}\n"].concat();
        assert!(read(&more).unwrap_err().to_string().contains("after the end"));
        let strange = String::from_utf8(whole).unwrap().replacen("\"seq\"", "\"x\":1,\"seq\"", 1);
        assert!(read(strange.as_bytes()).unwrap_err().to_string().contains("line 2"));
    }
}
