//! `loadrun history [SCRIPT]`: how the runs of a script followed each other.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ink;
use super::run::{print, stem};
use crate::error::Error;
use crate::history;
use crate::outcome::write_whole;
use crate::plan::nearest;
use crate::report::history as report;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The script, by its path or its name; every script when it is left out
    script: Option<String>,
    /// Most runs of a script, the latest
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..))]
    last: u32,
    /// Folder of the results
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    out: PathBuf,
    /// How to print it on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a page with charts into this file instead; `-` for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Tables for people
    Text,
    /// One line of JSON for machines
    Json,
}

/// Reads and tells; 0 when there is a history.
pub fn run(args: &HistoryArgs) -> Result<u8, Error> {
    let none = || {
        let what = format!("no history in {}", args.out.display());
        Error::usage(what, "it begins with the next run; --out names another folder")
    };
    if !args.out.join(history::FILE).exists() {
        return Err(none());
    }
    let name = args.script.as_ref().map(|script| stem(Path::new(script)));
    let scripts = history::read(&args.out, name.as_deref(), args.last)?;
    if let Some(name) = &name
        && scripts.is_empty()
    {
        return Err(unknown(args, name)?);
    }
    if scripts.is_empty() {
        return Err(none());
    }
    let told = |out: &mut dyn Write| match (&name, args.format) {
        (_, Format::Json) => {
            serde_json::to_writer(&mut *out, &scripts)?;
            writeln!(out)
        }
        (None, Format::Text) => report::overview(&scripts, ink(), out),
        (Some(_), Format::Text) => scripts
            .iter()
            .try_for_each(|(script, entries)| report::runs(script, entries, ink(), out)),
    };
    match args.html.as_deref() {
        None => print(told)?,
        Some(place) if place == Path::new("-") => print(|out| report::page(&scripts, out))?,
        Some(place) => {
            let mut text = Vec::new();
            report::page(&scripts, &mut text).map_err(Error::Summary)?;
            write_whole(place, &text).map_err(Error::Report)?;
        }
    }
    Ok(0)
}

/// A script of which there is no run.
fn unknown(args: &HistoryArgs, name: &str) -> Result<Error, Error> {
    let known = history::scripts(&args.out)?;
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "it begins with the next run".to_owned(),
        None => format!("there are runs of {}", known.join(", ")),
    };
    Ok(Error::usage(format!("no run of {name} in the history"), hint))
}
