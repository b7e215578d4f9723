//! What is given to scripts on the command line, and reading them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::command_names;
use super::run::stem;
use crate::plan::{Problem, nearest};
use crate::script::Source;

/// What every command that loads a script takes.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Set a parameter of the script (also: environment `LOADRUN_NAME`)
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = text())]
    pub params: Vec<String>,
    /// Set the parameters that this profile of the script sets; of several the later goes before
    /// the earlier, and `-p` before all
    #[arg(long = "profile", value_name = "NAMES", value_delimiter = ',')]
    pub profiles: Vec<String>,
    /// Seed of every random choice; the same seed makes the same load
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = seed,
          allow_negative_numbers = true)]
    pub seed: u64,
}

/// A seed.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// Text; where an argument is none, it is shown as far as it can be.
pub fn text() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new()
        .try_map(|given| given.into_string().map_err(|_| "expected text in UTF-8"))
}

impl SourceArgs {
    /// Reads a script.
    pub fn read(&self, script: &Path) -> Result<Source, Vec<Problem>> {
        let text = fs::read(script).map_err(|e| unreadable(script, &e))?;
        let whole = script.canonicalize().map_err(|e| unreadable(script, &e))?;
        let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Source {
            path: script.to_owned(),
            folder,
            text: text.into(),
            params: parameters(&self.params)?,
            env: environment(),
            seed: self.seed,
        })
    }
}

/// Why a script, or a folder of them, cannot be read.
pub fn unreadable(script: &Path, error: &io::Error) -> Vec<Problem> {
    let shown = script.display();
    let problem = match error.kind() {
        io::ErrorKind::NotFound => {
            Problem::new(format!("no script at {shown}")).hint(nearby(script))
        }
        io::ErrorKind::IsADirectory => {
            Problem::new(format!("{shown} is a folder")).hint("name one Lua file in it")
        }
        _ => Problem::new(format!("could not read {shown}: {error}")).hint("check its permissions"),
    };
    vec![problem]
}

/// Most scripts that are listed; more are counted.
const FEW: usize = 6;

/// What was meant by a script that is not there, or which scripts are.
fn nearby(script: &Path) -> String {
    let folder = script.parent().unwrap_or(Path::new(""));
    let by_itself = folder == Path::new("");
    if !by_itself && !folder.is_dir() {
        return format!("there is no folder {}", folder.display());
    }
    let mut found = scripts_in(folder);
    if by_itself && found.is_empty() {
        found = scripts_in(Path::new("scripts"));
    }
    if let Some(meant) = meant(script, &found) {
        return format!("did you mean {meant}?");
    }
    let Some(folder) = found.last().and_then(|path| path.parent()) else {
        return "give the path of a Lua file, for example scripts/first.lua".to_owned();
    };
    if found.len() > FEW {
        let all = folder.join("*.lua");
        return format!("`ls {}` lists the {} scripts there", all.display(), found.len());
    }
    let shown: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
    format!("scripts there: {}", shown.join(", "))
}

/// The script, or else the command, whose name is nearest to what was typed.
fn meant(typed: &Path, found: &[PathBuf]) -> Option<String> {
    let word = stem(typed);
    let names: Vec<_> = found.iter().map(|path| stem(path)).collect();
    if let Some(near) = nearest(&word, names.iter().map(String::as_str)) {
        let path = found.iter().find(|path| stem(path) == near)?;
        return Some(path.display().to_string());
    }
    let commands = command_names();
    let near = nearest(&word, commands.iter().map(String::as_str));
    let is_word = typed.as_os_str().to_str() == Some(&word);
    near.filter(|_| is_word).map(|command| format!("the command `{command}`"))
}

fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    let looked = if folder == Path::new("") { Path::new(".") } else { folder };
    let entries = fs::read_dir(looked).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| path.extension().is_some_and(|e| e == "lua"))
        .collect();
    found.sort();
    found
}

/// `name=value` pairs as they were typed.
pub fn parameters(given: &[String]) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut params = BTreeMap::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                params.insert(name.to_owned(), value.to_owned());
            }
            _ => problems.push(Problem {
                what: format!("malformed parameter \"{text}\""),
                at: None,
                hint: Some("write it as name=value".to_owned()),
            }),
        }
    }
    if problems.is_empty() { Ok(params) } else { Err(problems) }
}

fn environment() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter_map(|(name, value)| Some((name.strip_prefix("LOADRUN_")?.to_owned(), value)))
        .collect()
}
