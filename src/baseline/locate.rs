//! Which runs a word on the command line means.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Baseline, BaselineError};
use crate::outcome::Outcome;

/// The runs that `word` means: a file, the folder of a run, the folder of a script (its latest
/// run), or the name of a baseline in the folder `results`.
pub fn locate(word: &str, results: &Path) -> Result<Vec<Outcome>, BaselineError> {
    let path = Path::new(word);
    if path.is_dir() {
        let file = latest_run(path)?;
        return Ok(vec![Outcome::load(&file)?]);
    }
    if path.is_file() {
        return Ok(vec![Outcome::load(path)?]);
    }
    if path.components().count() > 1 || path.extension().is_some_and(|e| e == "json") {
        let hint = "name an outcome.json, a folder of results, or a baseline".to_owned();
        return Err(BaselineError { what: format!("there is no {word}"), hint });
    }
    Baseline::load(results, word).map(|baseline| baseline.outcomes)
}

/// The outcome of a run's folder, or of the latest run in a script's folder.
pub fn latest_run(folder: &Path) -> Result<PathBuf, BaselineError> {
    let own = folder.join("outcome.json");
    if own.is_file() {
        return Ok(own);
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(|path| path.is_dir()).collect();
    let runs = folders.iter().filter(|folder| folder.join("outcome.json").is_file());
    if let Some(latest) = runs.max_by_key(|folder| moment(folder)) {
        return Ok(latest.join("outcome.json"));
    }
    let mut scripts: Vec<_> = folders
        .iter()
        .filter(|folder| latest_run(folder).is_ok())
        .map(|folder| folder.display().to_string())
        .collect();
    scripts.sort();
    let hint = match &scripts[..] {
        [] => "name an outcome.json, or the folder of a script's results".to_owned(),
        scripts => format!("name the folder of one script: {}", scripts.join(", ")),
    };
    Err(BaselineError { what: format!("no run in {}", folder.display()), hint })
}

/// A run's folder in the order of time: its stamp, and which of that second it was.
fn moment(folder: &Path) -> (String, u32) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let stamp = "0000-00-00T00-00-00".len();
    match name.split_at_checked(stamp) {
        Some((stamp, number)) => {
            (stamp.to_owned(), number.trim_start_matches('-').parse().unwrap_or(1))
        }
        None => (name.into_owned(), 1),
    }
}
