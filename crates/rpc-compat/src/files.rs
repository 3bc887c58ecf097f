//! Finds and reads the files of exchanges.

use eyre::{WrapErr, bail, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file to replay.
#[derive(Debug)]
pub(crate) struct File {
    /// Path below the folder.
    pub(crate) name: String,
    path: PathBuf,
}

/// What a file says.
#[derive(Debug, PartialEq)]
pub(crate) struct Exchanges {
    /// Whether only the shape of the answers is given.
    pub(crate) shape_only: bool,
    /// Requests as they are sent, each with the answer.
    pub(crate) list: Vec<(String, Value)>,
}

/// All files below `folder`, in the order of their paths.
///
/// # Errors
/// If the folder cannot be read or has no such file.
pub(crate) fn find(folder: &Path, filter: Option<&str>) -> eyre::Result<Vec<File>> {
    let mut paths = Vec::new();
    collect(folder, &mut paths).wrap_err_with(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.strip_prefix(folder)?.display().to_string();
        if filter.is_none_or(|filter| name.contains(filter)) {
            files.push(File { name, path });
        }
    }
    ensure!(!files.is_empty(), "no file *.io to replay below {}", folder.display());
    Ok(files)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "io") {
            paths.push(path);
        }
    }
    Ok(())
}

impl File {
    /// Reads the file.
    ///
    /// # Errors
    /// If a line is none of a comment, a request and an answer, or they do not alternate.
    pub(crate) fn read(&self) -> eyre::Result<Exchanges> {
        parse(&fs::read_to_string(&self.path)?)
    }
}

fn parse(text: &str) -> eyre::Result<Exchanges> {
    let mut exchanges = Exchanges { shape_only: false, list: Vec::new() };
    let mut request = None;
    for (index, line) in text.lines().enumerate() {
        let at = || format!("line {}", index + 1);
        if let Some(comment) = line.strip_prefix("//") {
            exchanges.shape_only |= comment.contains("speconly");
        } else if let Some(sent) = line.strip_prefix(">>") {
            ensure!(request.is_none(), "{}: a request before the answer to the last one", at());
            request = Some(sent.trim().to_owned());
        } else if let Some(answer) = line.strip_prefix("<<") {
            let answer = serde_json::from_str(answer).wrap_err_with(at)?;
            match request.take() {
                Some(request) => exchanges.list.push((request, answer)),
                None => bail!("{}: an answer without a request", at()),
            }
        } else {
            ensure!(line.trim().is_empty(), "{}: not a comment, request or answer", at());
        }
    }
    ensure!(request.is_none(), "the last request has no answer");
    ensure!(!exchanges.list.is_empty(), "no request");
    Ok(exchanges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_told_apart() -> eyre::Result<()> {
        let read = parse("// about\n>> {\"a\":1}\n<< {\"b\":2}\n\n>> 3\n<< 4\n")?;
        let list = vec![("{\"a\":1}".to_owned(), json!({"b": 2})), ("3".to_owned(), json!(4))];
        assert_eq!(read, Exchanges { shape_only: false, list });
        assert!(parse("// speconly: shape\n>> 1\n<< 2\n")?.shape_only);
        Ok(())
    }

    #[test]
    fn what_does_not_alternate_is_refused() {
        for text in
            ["", "// only\n", ">> 1\n", "<< 1\n", ">> 1\n>> 2\n<< 3\n", ">> 1\n<< {\n", "x\n"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
