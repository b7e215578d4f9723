//! How an outcome is kept: one JSON file with a digest in front, written whole or not at all, and
//! read only if it is what a run left there.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use sha2::{Digest as _, Sha256};

use super::{Outcome, SCHEMA};

/// An outcome or a report that could not be saved or loaded.
#[derive(Debug)]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What went wrong, in words.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for FileError {}

/// Where a results folder keeps the outcome.
pub const FILE: &str = "outcome.json";

impl Outcome {
    /// Writes `outcome.json` into `folder`: whole or not at all, even when the machine stops.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, FileError> {
        let path = folder.join(FILE);
        save_sealed(self, &path)?;
        Ok(path)
    }

    /// The same with every text in it passed through `mask`, wherever it stands: a file that is
    /// shared holds no secret, in whatever name, tag or message a script put it.
    pub fn masked(self, mask: &dyn Fn(&str) -> String) -> serde_json::Result<Self> {
        let mut whole = serde_json::to_value(self)?;
        mask_texts("", &mut whole, mask);
        serde_json::from_value(whole)
    }

    /// Reads an outcome, from its file or from the results folder it lies in. What cannot be
    /// trusted to be what a run left there is refused, with the reason.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        load_sealed(&path, "an outcome", SCHEMA)
    }
}

/// Writes a value with a `schema` and a version as JSON, sealed with a digest.
pub fn save_sealed(value: &impl Serialize, path: &Path) -> Result<(), FileError> {
    let text = serde_json::to_string(value)
        .map_err(|e| FileError::new(path, e.to_string(), "please report it"))?;
    write_whole(path, sealed(&text).as_bytes())
}

/// Reads what [`save_sealed`] wrote, "a thing" of this `schema`.
pub fn load_sealed<T: DeserializeOwned>(
    path: &Path,
    thing: &str,
    schema: u32,
) -> Result<T, FileError> {
    let told = |what: &str, hint: &str| FileError::new(path, what.to_owned(), hint);
    let text = fs::read(path).map_err(|e| told(&e.to_string(), NAME_ONE))?;
    let text = String::from_utf8(text).map_err(|_| told("not text", NAME_ONE))?;
    if text.trim().is_empty() {
        return Err(told("empty", RUN_AGAIN));
    }
    let head: Head = serde_json::from_str(&text).map_err(|e| match e.classify() {
        Category::Eof => told(&format!("cut off after {}", at(&e)), RUN_AGAIN),
        _ => told(&format!("not {thing} of loadrun"), NAME_ONE),
    })?;
    if head.schema != schema {
        let what = format!(
            "schema {}, this program reads {schema} (written by loadrun {})",
            head.schema, head.loadrun
        );
        let newer = "read it with that version of loadrun, or a later one";
        let older = "read it with that version of loadrun, or run the script again";
        return Err(told(&what, if head.schema > schema { newer } else { older }));
    }
    if head.sha256.is_none_or(|digest| !is_sealed(&text, &digest)) {
        let what = "edited or damaged: its content is not what its digest was made of";
        return Err(told(what, "use the file as the run wrote it, or run the script again"));
    }
    serde_json::from_str(&text).map_err(|e| told(&format!("damaged at {}", at(&e)), RUN_AGAIN))
}

/// Where JSON ends to be what it should: what else there is to say of it names types of this program.
fn at(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

const NAME_ONE: &str = "name an outcome.json, or the results folder it lies in";
const RUN_AGAIN: &str = "run the script again";

/// The text of an outcome, an object, with the digest of the rest as its first field.
fn sealed(text: &str) -> String {
    let rest = text.strip_prefix('{').unwrap_or(text);
    format!("{{\"sha256\":\"{}\",{rest}\n", digest(rest))
}

/// Whether the text is what [`sealed`] made, but for white space at its end.
fn is_sealed(text: &str, said: &str) -> bool {
    let rest = text.trim_end().strip_prefix(&format!("{{\"sha256\":\"{said}\","));
    rest.is_some_and(|rest| digest(rest) == said)
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl FileError {
    fn new(path: &Path, what: String, hint: &str) -> Self {
        Self { path: path.to_owned(), what, hint: hint.to_owned() }
    }
}

/// Maps whose keys a script chose; all other keys are ours.
const CHOSEN: &[&str] = &["amounts", "ledgers", "options", "tags"];
/// Where a text is a word of ours, by which the file is read again, or no words at all.
const OURS: &[&str] = &[
    "arch",
    "arrivals",
    "fingerprint",
    "grade",
    "histogram",
    "kind",
    "level",
    "loadrun",
    "metric",
    "os",
    "sha256",
    "started",
    "unit",
    "verdict",
];

/// Passes the texts of what stands under a key through `mask`.
fn mask_texts(under: &str, value: &mut Value, mask: &dyn Fn(&str) -> String) {
    match value {
        Value::String(_) if OURS.contains(&under) => {}
        Value::String(text) => *text = mask(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_texts(under, item, mask)),
        Value::Object(fields) => {
            let chosen = CHOSEN.contains(&under);
            let masked = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                // A tag may be called like a field of ours.
                mask_texts(if chosen { "" } else { &key }, &mut value, mask);
                (if chosen { mask(&key) } else { key }, value)
            });
            *fields = masked.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What every schema has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
    loadrun: String,
    sha256: Option<String>,
}

/// Writes a file beside its place, syncs, then renames: a reader sees all of it or none. A link to a
/// file is followed; into a pipe or a device it is written as it goes.
pub fn write_whole(path: &Path, text: &[u8]) -> Result<(), FileError> {
    let written = match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => write_into(path, text),
        Ok(_) => fs::canonicalize(path).and_then(|place| replace(&place, text)),
        Err(_) => replace(path, text),
    };
    written.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "make its folder, or choose another place",
            io::ErrorKind::IsADirectory => "name a file in it",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a place that can be written to"
            }
            io::ErrorKind::FileTooLarge => "allow larger files (ulimit -f)",
            _ => "free the disk, or choose another place",
        };
        // What came by way of `tempfile` names its file as well, which is there no more.
        let what = match error.kind() {
            _ if error.raw_os_error().is_some() => error.to_string(),
            io::ErrorKind::NotFound => "there is no such folder".to_owned(),
            kind => kind.to_string(),
        };
        FileError::new(path, what, hint)
    })
}

fn write_into(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::File::options().write(true).open(path)?.write_all(text)
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // As any other file: others may read it where the user's mask lets them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(parent.unwrap_or(Path::new(".")))?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, text).unwrap();
        let error = Outcome::load(folder.path()).unwrap_err();
        assert_eq!(error.path, path);
        (error.what, error.hint)
    }

    #[test]
    fn a_secret_that_is_a_word_of_ours_is_kept_out_of_texts_and_costs_no_result() {
        let mut value = serde_json::json!({
            "verdict": "VALID", "secret": false, "text": "the secret of rate VALID",
            "series": [{ "metric": "http.rate", "kind": "rate", "tags": { "kind": "rate", "secret": "a" } }],
        });
        let mask = |text: &str| {
            let words = ["secret", "rate", "VALID", "verdict", "http"];
            words.iter().fold(text.to_owned(), |text, word| text.replace(word, "***"))
        };
        mask_texts("", &mut value, &mask);
        let expected = serde_json::json!({
            "verdict": "VALID", "secret": false, "text": "the *** of *** ***",
            "series": [{ "metric": "http.rate", "kind": "rate", "tags": { "kind": "***", "***": "a" } }],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_name() {
        for text in ["{\"version\": 3}", "[]", "hello", ""] {
            let (what, hint) = refused(text);
            let told = ["not an outcome of loadrun", "cut off", "empty"];
            assert!(told.iter().any(|told| what.starts_with(told)), "{text}: {what}");
            assert!(!hint.is_empty());
        }
        let (what, _) = refused("{\"schema\": 1, \"loa");
        assert_eq!(what, "cut off after line 1, column 18");
        for (text, told) in [("", "empty"), ("[]", "not an outcome of loadrun")] {
            assert_eq!(refused(text).0, told);
        }
        let unsealed = refused("{\"schema\": 1, \"loadrun\": \"x\", \"run\": 3}").0;
        assert!(unsealed.starts_with("edited or damaged"), "{unsealed}");
        let (what, _) = refused(&sealed("{\"schema\":1,\"loadrun\":\"x\",\"run\":3}"));
        assert!(what.starts_with("damaged at line 1, column"), "{what}");
    }

    #[test]
    fn an_older_and_a_newer_schema_are_refused_with_their_version() {
        let (what, hint) = refused("{\"schema\": 99, \"loadrun\": \"9.0.0\"}");
        assert_eq!(what, "schema 99, this program reads 1 (written by loadrun 9.0.0)");
        assert!(hint.contains("or a later one"), "{hint}");
        let (_, hint) = refused("{\"schema\": 0, \"loadrun\": \"0.0.1\"}");
        assert!(hint.contains("run the script again"), "{hint}");
    }

    #[test]
    fn a_text_is_known_by_its_digest_wherever_it_was_changed() {
        let whole = sealed("{\"schema\":1,\"loadrun\":\"x\"}");
        let head: Head = serde_json::from_str(&whole).unwrap();
        let digest = head.sha256.unwrap();
        assert!(is_sealed(&whole, &digest));
        assert!(!is_sealed(&whole.replace(":1,", ":2,"), &digest));
        assert!(!is_sealed(&whole.replace(":1,", ": 1,"), &digest));
        let (what, _) = refused(&whole.replace("\"x\"", "\"y\""));
        assert!(what.starts_with("edited or damaged"), "{what}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(&folder.path().join("none/report.csv"), b"x").unwrap_err();
        assert!(error.to_string().contains("none/report.csv: "), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_a_pipe_stay_what_they_are_and_get_what_was_meant_for_them() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&file, "before").unwrap();
        symlink(&file, &link).unwrap();
        write_whole(&link, b"after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"after");

        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_whole(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    }
}
