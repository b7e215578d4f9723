//! `loadrun report outcome.json --junit FILE`: reports of a run that has ended.

use std::path::{Path, PathBuf};

use clap::Args;

use super::ink;
use super::run::print;
use crate::baseline;
use crate::error::Error;
use crate::outcome::{Outcome, write_whole};
use crate::report::{self, Report};

/// Arguments of a report.
#[derive(Debug, Args)]
#[command(after_help = "FILE may be `-` for stdout. Without any, the text goes to stdout.")]
pub struct ReportArgs {
    /// An outcome.json, the folder it lies in, or a script's folder of results: the latest run
    #[arg(value_name = "OUTCOME")]
    outcome: PathBuf,
    /// A page for a browser: charts, tables, the script
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Every series by second, for a spreadsheet
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Verdict, thresholds and checks as test cases, for a CI system
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Verdict, thresholds and tables, for a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The summary as a run prints it
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The summary as one line of JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl ReportArgs {
    /// What was asked for, and where it goes.
    fn wanted(&self) -> Vec<(Report, &Path)> {
        let places = Report::ALL.into_iter().filter_map(|report| {
            let place = match report {
                Report::Text => &self.text,
                Report::Json => &self.json,
                Report::Csv => &self.csv,
                Report::Junit => &self.junit,
                Report::Markdown => &self.markdown,
                Report::Html => &self.html,
            };
            place.as_deref().map(|place| (report, place))
        });
        let wanted: Vec<_> = places.collect();
        if wanted.is_empty() { vec![(Report::Text, Path::new("-"))] } else { wanted }
    }
}

/// Reads the outcome and writes what was asked for.
pub fn run(args: &ReportArgs) -> Result<u8, Error> {
    let place =
        if args.outcome.is_dir() { &baseline::latest_run(&args.outcome)? } else { &args.outcome };
    let outcome = Outcome::load(place).map_err(Error::Outcome)?;
    for (report, place) in args.wanted() {
        if place == Path::new("-") {
            print(|out| match report {
                Report::Text => report::text(&outcome, None, ink(), out),
                report => report.write(&outcome, None, out),
            })?;
            continue;
        }
        let mut text = Vec::new();
        report.write(&outcome, None, &mut text).map_err(Error::Summary)?;
        write_whole(place, &text).map_err(Error::Report)?;
    }
    Ok(0)
}
