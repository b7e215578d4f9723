//! `loadrun script.lua`: load it, run it, keep and print what happened.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::compare::{self, Format, Judging, compared};
use super::progress::{Detail, Progress};
use super::source::SourceArgs;
use super::{ink, tell};
use crate::baseline::Baseline;
use crate::engine::{self, Options};
use crate::error::Error;
use crate::metric::Unit;
use crate::outcome::{Outcome, write_whole};
use crate::plan::{Plan, Problem};
use crate::report::{self, Report, comparison};
use crate::script;

/// Arguments of a run.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Threads that make the load [default: one a processor]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=512))]
    workers: Option<u16>,
    /// Let the script run the commands it names in `service.command`; `loadrun check` lists them
    #[arg(long)]
    allow_command: bool,

    /// A host beyond this machine that faults may concern, once or more
    #[arg(long, value_name = "HOST")]
    allow_fault: Vec<String>,
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    out: PathBuf,
    /// What to print on stdout at the end
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    summary: Summary,
    /// Reports to write beside outcome.json, such as `junit,markdown`
    #[arg(long = "report", value_name = "FORMS", value_delimiter = ',', value_parser = form())]
    reports: Vec<Report>,
    /// Compare with this baseline at the end, and hold thresholds such as `p99 <= baseline` against it
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    #[command(flatten)]
    judging: Judging,
    /// No progress; only the summary, warnings and errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Also what the script logs at level debug
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Summary {
    /// Tables for people
    Text,
    /// One line of JSON for machines
    Json,
}

/// The name of a form of report.
fn form() -> impl TypedValueParser<Value = Report> {
    PossibleValuesParser::new(Report::ALL.map(Report::name)).map(|name| {
        let named = Report::ALL.into_iter().find(|report| report.name() == name);
        named.unwrap_or_else(|| unreachable!("only these names are accepted"))
    })
}

/// Runs the script; the exit code is the outcome's.
pub fn run(args: &RunArgs) -> Result<u8, Error> {
    let source = args.source.read()?;
    let name = stem(&args.source.script);
    let mut loaded = script::load(source)?;
    let baseline =
        args.baseline.as_ref().map(|name| Baseline::load(&args.out, name)).transpose()?;
    hold_against(&mut loaded.plan, baseline.as_ref())?;
    let folder = results_folder(&args.out, &name)?;
    let detail = match (args.quiet, args.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    };
    let options = Options {
        name,
        workers: args.workers.map(usize::from),
        allow_command: args.allow_command,
        allow_fault: args.allow_fault.clone(),
    };
    let progress = Progress::new(detail, io::stderr().is_terminal(), loaded.control.world());
    let outcome = engine::run(loaded, options, |states| progress.follow(states));
    let outcome = outcome.inspect_err(|_| drop_if_empty(&folder))?;
    let exit = conclude(&outcome, &folder, args)?;
    let Some(baseline) = baseline else { return Ok(exit) };
    let compared = compare_with(&baseline, outcome, &folder, args)?;
    // Above 3 there is more wrong than a comparison can be.
    Ok(if exit > 3 { exit } else { exit.max(compared) })
}

/// Gives thresholds that speak of a baseline its values; all that lack one are told at once.
fn hold_against(plan: &mut Plan, baseline: Option<&Baseline>) -> Result<(), Error> {
    let units: Vec<_> = plan.thresholds.iter().map(|(t, _)| plan.metric(&t.metric)).collect();
    let mut problems = Vec::new();
    let needing = plan.thresholds.iter_mut().zip(units);
    for ((threshold, place), metric) in needing.filter(|((t, _), _)| t.needs_baseline()) {
        let told = |what: &str, hint: String| Problem {
            what: format!("threshold `{}`: {what}", threshold.text),
            at: Some(place.clone()),
            hint: Some(hint),
        };
        let Some(baseline) = baseline else {
            problems.push(told("there is no baseline", "run with --baseline NAME".to_owned()));
            continue;
        };
        let unit = metric.map_or(Unit::Number, |metric| metric.unit);
        if let Some(value) = baseline.measure(threshold, unit) {
            threshold.hold_against(value);
        } else {
            let hint = "compare with a baseline of this script".to_owned();
            problems.push(told(&format!("no sample of it in {}", baseline.name), hint));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

/// Tells how the run compares, on stdout and beside its outcome; the exit code of the comparison.
fn compare_with(
    baseline: &Baseline,
    outcome: Outcome,
    folder: &Path,
    args: &RunArgs,
) -> Result<u8, Error> {
    let compared = match compared(&baseline.outcomes, &[outcome], &args.judging, &[]) {
        Err(error @ Error::Incomparable(_)) => {
            tell(&error.to_string());
            return Ok(error.exit_code());
        }
        compared => compared?,
    };
    for (file, write) in [
        ("comparison.md", comparison::markdown as fn(&_, &mut dyn Write) -> _),
        ("comparison.json", comparison::json),
    ] {
        let mut text = Vec::new();
        write(&compared, &mut text).map_err(Error::Summary)?;
        write_whole(&folder.join(file), &text).map_err(Error::Report)?;
    }
    if matches!(args.summary, Summary::Text) {
        compare::print(&compared, Format::Text)?;
    }
    Ok(compared.exit_code())
}

/// Saves, then prints: the summary even when saving failed.
fn conclude(outcome: &Outcome, folder: &Path, args: &RunArgs) -> Result<u8, Error> {
    let saved = outcome.save(folder);
    let reported = args.reports.iter().try_for_each(|report| {
        let mut text = Vec::new();
        report.write(outcome, &mut text).map_err(Error::Summary)?;
        write_whole(&folder.join(report.file()), &text).map_err(Error::Report)
    });
    let place = saved.as_ref().ok().map(|path| path.display().to_string());
    let mut text = Vec::new();
    let written = match args.summary {
        Summary::Text => report::text(outcome, place.as_deref(), ink(), &mut text),
        Summary::Json => report::json(outcome, place.as_deref(), &mut text),
    };
    let printed = written.and_then(|()| io::stdout().lock().write_all(&text));
    saved.map_err(Error::Results)?;
    reported?;
    match printed {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Summary(error)),
        _ => Ok(outcome.exit),
    }
}

/// The name results of a script are kept under.
pub fn stem(script: &Path) -> String {
    script.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// `results/<script>/<stamp>`, made before the run so that a full or read-only disk is told first.
pub fn results_folder(out: &Path, name: &str) -> Result<PathBuf, Error> {
    let parent = out.join(name);
    let unwritable = |error: io::Error| {
        Error::usage(
            format!("cannot write results to {}: {error}", parent.display()),
            "choose a writable folder with --out",
        )
    };
    fs::create_dir_all(&parent).map_err(unwritable)?;
    let stamp = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
    for attempt in 1.. {
        let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let folder = parent.join(format!("{stamp}{suffix}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(error)),
        }
    }
    unreachable!("some suffix is free")
}

/// A run that never began leaves no empty folder behind.
pub fn drop_if_empty(folder: &Path) {
    if let Err(error) = fs::remove_dir(folder)
        && error.kind() != io::ErrorKind::DirectoryNotEmpty
    {
        tell(&format!("could not remove {}: {error}", folder.display()));
    }
}
