//! Finds the tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use eyre::WrapErr;
use serde_json::value::RawValue;

/// One test, or what stands where one was expected.
#[derive(Debug)]
pub(crate) struct Case {
    /// `file::name`.
    pub(crate) name: String,
    /// The test's JSON, or why there is none.
    pub(crate) content: Result<Box<RawValue>, String>,
}

/// All tests of a file, or of the JSON files below a folder, in order of path and name.
///
/// # Errors
/// If the path cannot be read, or has no JSON file.
pub(crate) fn load(path: &Path, filter: Option<&str>) -> eyre::Result<Vec<Case>> {
    let mut files = Vec::new();
    collect(path, &mut files).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    eyre::ensure!(!files.is_empty(), "no JSON file at {}", path.display());
    files.sort();
    let mut cases = Vec::new();
    for file in &files {
        let shown = file.strip_prefix(path).ok().filter(|rest| !rest.as_os_str().is_empty());
        let shown = shown.unwrap_or(file).display().to_string();
        cases.extend(
            load_file(file, &shown)
                .into_iter()
                .filter(|case| filter.is_none_or(|filter| case.name.contains(filter))),
        );
    }
    Ok(cases)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// A file that cannot be read is one case, which fails with the reason.
fn load_file(file: &Path, shown: &str) -> Vec<Case> {
    let tests = fs::read(file).map_err(|error| error.to_string()).and_then(|bytes| {
        serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&bytes)
            .map_err(|error| format!("not a file of tests: {error}"))
    });
    match tests {
        Ok(tests) => tests
            .into_iter()
            .map(|(name, test)| Case { name: format!("{shown}::{name}"), content: Ok(test) })
            .collect(),
        Err(error) => vec![Case { name: shown.to_owned(), content: Err(error) }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path, filter: Option<&str>) -> Vec<String> {
        load(path, filter).expect("tests").into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn files_are_found_at_any_depth_and_filtered() {
        let dir = tempfile::tempdir().expect("folder");
        fs::create_dir_all(dir.path().join("a/b")).expect("folder");
        fs::create_dir_all(dir.path().join(".meta")).expect("folder");
        fs::write(dir.path().join("a/b/one.json"), r#"{"x": {}, "y": {}}"#).expect("file");
        fs::write(dir.path().join("two.json"), "[").expect("file");
        fs::write(dir.path().join(".meta/index.json"), "{}").expect("file");
        fs::write(dir.path().join("readme.txt"), "{}").expect("file");
        assert_eq!(names(dir.path(), None), ["a/b/one.json::x", "a/b/one.json::y", "two.json"]);
        assert_eq!(names(dir.path(), Some("::y")), ["a/b/one.json::y"]);
        let bad = load(dir.path(), Some("two")).expect("tests");
        assert!(bad[0].content.is_err());
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        let dir = tempfile::tempdir().expect("folder");
        assert!(load(dir.path(), None).is_err());
        assert!(load(&dir.path().join("absent"), None).is_err());
    }
}
