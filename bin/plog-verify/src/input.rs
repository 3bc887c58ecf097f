//! Files and standard input, read up to a bound.

use crate::exit::Failure;
use peruri_plog::Policy;
use std::{
    convert::Infallible,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    str::FromStr,
};

/// Most bytes of a document: a receipt has some kilobytes.
pub(crate) const DOCUMENT_BOUND: u64 = 64 << 20;

/// Most bytes of a payload.
pub(crate) const PAYLOAD_BOUND: u64 = 1 << 30;

/// A path, or `-` for standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    Path(PathBuf),
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::Path(text.into()) })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Input {
    /// Opens it for reading in lines.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        match self {
            Self::Stdin => Ok(Box::new(io::stdin().lock())),
            Self::Path(path) => {
                let file = File::open(path).map_err(|error| self.unreadable(&error))?;
                Ok(Box::new(BufReader::new(file)))
            }
        }
    }

    /// Reads all of it.
    pub(crate) fn read(&self, bound: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.open()?
            .take(bound.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| self.unreadable(&error))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= bound) {
            Ok(bytes)
        } else {
            Err(Failure::Usage(format!("{self} has more than {bound} bytes")))
        }
    }

    /// Reads a policy.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let text = String::from_utf8(self.read(DOCUMENT_BOUND)?)
            .map_err(|_| Failure::Usage(format!("{self} is not text: is it a policy?")))?;
        Policy::parse(&text).map_err(|error| {
            Failure::Usage(format!("{self} is no policy: {error}\nSee --help for an example."))
        })
    }

    /// What to say when it cannot be read.
    pub(crate) fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::Usage(format!(
            "cannot read {self}: {error}\nGive the path of a file, or - for standard input."
        ))
    }
}

/// Standard input can be read once.
pub(crate) fn one_stdin<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> Result<(), Failure> {
    if inputs.into_iter().filter(|input| **input == Input::Stdin).count() > 1 {
        return Err(Failure::Usage("only one file can be standard input (-)".to_owned()));
    }
    Ok(())
}
