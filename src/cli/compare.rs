//! `loadrun compare BASE NOW`: is it slower than it was, and how sure is that?

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{ink, run, tell};
use crate::baseline;
use crate::compare::{self, Comparison, Control, Gate};
use crate::error::Error;
use crate::outcome::{Outcome, write_whole};
use crate::report::comparison;
use crate::units;

/// What every command that compares exits with.
pub const EXITS: &str = "\
Exit codes:
  0  improved, unchanged or not worse: worse by more than --fail-on is ruled out
  1  regressed: worse by more than --fail-on, beyond the noise
  2  unchanged or not worse, where --must-improve asks for more
  3  inconclusive, or the runs cannot be compared (0 with --pass-inconclusive)
  4  could not start: usage, a file or a baseline that is not there or is damaged";

/// Arguments of a comparison.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
pub struct CompareArgs {
    /// What to compare with: an outcome.json, a folder of results, or a baseline's name
    base: String,
    /// What is judged: the same
    now: String,
    /// Folder of the results, where baselines are kept
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    out: PathBuf,
    #[command(flatten)]
    judging: Judging,
    #[command(flatten)]
    asked: Asked,
    /// How to print it on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write a page with both sides in one picture
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What every command that compares takes.
#[derive(Debug, Args)]
pub struct Judging {
    /// A change for the worse by more than this, beyond the noise, fails
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = limit)]
    pub fail_on: f64,
    /// Compare even runs that differ in more than the target
    #[arg(long)]
    pub anyway: bool,
}

/// What is enough for a command that compares to exit with 0.
#[derive(Debug, Clone, Copy, Args)]
pub struct Asked {
    /// That it cannot be told or compared whether it is worse does not fail
    #[arg(long)]
    pass_inconclusive: bool,
    /// That it is not worse does not do: exit code 2 where nothing is found better
    #[arg(long)]
    must_improve: bool,
}

impl Asked {
    /// What was found, held against it.
    pub fn gate(self, found: Result<Comparison, Vec<String>>) -> Gate {
        let Self { pass_inconclusive, must_improve } = self;
        Gate { found, pass_inconclusive, must_improve }
    }
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Tables for people
    Text,
    /// For a pull request
    Markdown,
    /// One line of JSON for machines
    Json,
}

/// A share of change that is tolerated.
pub fn limit(text: &str) -> Result<f64, String> {
    units::parse_share(text).map_err(|error| error.to_string())
}

/// Compares; the exit codes are [`EXITS`].
pub fn run(args: &CompareArgs) -> Result<u8, Error> {
    let located = [&args.base, &args.now].map(|word| baseline::locate(word, &args.out));
    let [base, now] = located;
    let (base, now) = match (base, now) {
        (Ok(base), Ok(now)) => (base, now),
        (base, now) => {
            let wrong = [base.err(), now.err()].into_iter().flatten();
            return Err(Error::Problems(wrong.map(Into::into).collect()));
        }
    };
    let now = now.runs();
    let base = match now.first() {
        Some(first) => base.runs_for(&first.run.name, &args.out)?,
        None => base.runs(),
    };
    let gate = args.asked.gate(compared(&base, &now, &args.judging, &[]));
    let exit = gate.exit_code();
    let compared = match gate.found {
        Ok(compared) => compared,
        Err(differences) => return refused(differences, exit),
    };
    print(&compared, None, exit, args.format)?;
    write_page(&compared, None, [&base, &now], args.html.as_deref())?;
    Ok(exit)
}

/// That runs cannot be compared is an error, unless that is to pass.
pub fn refused(differences: Vec<String>, exit: u8) -> Result<u8, Error> {
    let error = Error::Incomparable(differences);
    if exit != 0 {
        return Err(error);
    }
    tell(&error.to_string());
    Ok(exit)
}

/// Compares runs that can be, or says all that keeps them from it; parameters named in `varied` are
/// meant to differ.
pub fn compared(
    base: &[Outcome],
    now: &[Outcome],
    judging: &Judging,
    varied: &[String],
) -> Result<Comparison, Vec<String>> {
    let pairs = base.iter().flat_map(|base| now.iter().map(move |now| (base, now)));
    let mut found: Vec<String> = Vec::new();
    for difference in pairs.flat_map(|(base, now)| compare::differences(base, now, varied)) {
        if !found.contains(&difference) {
            found.push(difference);
        }
    }
    if !found.is_empty() && !judging.anyway {
        return Err(found);
    }
    let compared = compare::compare(base, now, judging.fail_on);
    Ok(Comparison { overridden: found, ..compared })
}

/// Writes the page of a comparison, where one is asked for.
pub fn write_page(
    compared: &Comparison,
    control: Option<&Control>,
    sides: [&[Outcome]; 2],
    place: Option<&Path>,
) -> Result<(), Error> {
    let Some(place) = place else { return Ok(()) };
    let mut text = Vec::new();
    comparison::page(compared, control, sides, &mut text).map_err(Error::Summary)?;
    write_whole(place, &text).map_err(Error::Report)
}

/// Prints a comparison on stdout; `exit` is what the command ends with.
pub fn print(
    compared: &Comparison,
    control: Option<&Control>,
    exit: u8,
    format: Format,
) -> Result<(), Error> {
    run::print(|out| write(compared, control, exit, format, out))
}

/// Writes a comparison in one of its formats.
pub fn write(
    compared: &Comparison,
    control: Option<&Control>,
    exit: u8,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Text => comparison::text(compared, control, ink(), out),
        Format::Markdown => comparison::markdown(compared, control, out),
        Format::Json => comparison::json(compared, control, exit, out),
    }
}
