//! `loadrun script.lua`: load it, run it, keep and print what happened; several are a
//! [suite].

use std::fs;
use std::io::{self, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::slice;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;

use super::compare::{self, Format, Judging, compared};
use super::folder::Folder;
use super::progress::{Detail, Progress};
use super::scripts::{self, Script};
use super::source::SourceArgs;
use super::{dumb, ink, state, suite, tell, undo};
use crate::baseline::Baseline;
use crate::compare::{Comparison, Gate, exit_code, foreseen};
use crate::engine::{self, Options};
use crate::error::Error;
use crate::history;
use crate::metric::Unit;
use crate::outcome::{FileError, Outcome, Second, write_whole};
use crate::plan::{Plan, Problem};
use crate::report::{self, Report, comparison, ndjson};

/// Arguments of a run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The script, a Lua file that returns a table; several, or a folder of them, run one after the other
    #[arg(value_name = "SCRIPT", required = true)]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// Threads that make the load [default: one a processor]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=512))]
    workers: Option<u16>,
    /// Let the script run the commands it names in `service.command`; `loadrun check` lists them
    #[arg(long)]
    pub(super) allow_command: bool,

    /// A host beyond this machine that faults may concern, once or more
    #[arg(long, value_name = "HOST")]
    allow_fault: Vec<String>,
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    pub(super) out: PathBuf,
    /// What to print on stdout at the end
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    pub(super) summary: Summary,
    /// Reports to write beside outcome.json, such as `junit,markdown`
    #[arg(long = "report", value_name = "FORMS", value_delimiter = ',', value_parser = form())]
    pub(super) reports: Vec<Form>,
    #[command(flatten)]
    against: Against,
    /// No progress; what the script prints, warnings and the summary stay
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Also what the script logs at level debug
    #[arg(short, long)]
    verbose: bool,
}

/// What a run is held against when it has ended.
#[derive(Debug, Args)]
pub struct Against {
    /// Compare with this baseline at the end, and hold thresholds such as `p99 <= baseline` against it
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// That it cannot be told or compared whether it is slower does not fail the run
    #[arg(long, requires = "baseline")]
    pass_inconclusive: bool,
    /// A change for the worse by more than this, beyond the noise, fails
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = compare::limit,
          requires = "baseline")]
    fail_on: f64,
    /// Compare even with runs that differ in more than the target
    #[arg(long, requires = "baseline")]
    anyway: bool,
}

/// What is printed at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Summary {
    /// Tables for people
    Text,
    /// One line of JSON for machines
    Json,
}

/// What may be written beside an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A report of it.
    Of(Report),
    /// The seconds of the run, while it goes on.
    Seconds,
}

/// The name of a form.
fn form() -> impl TypedValueParser<Value = Form> {
    let names = Report::ALL.map(Report::name).into_iter().chain(["ndjson"]);
    PossibleValuesParser::new(names).map(|name| {
        let named = Report::ALL.into_iter().find(|report| report.name() == name);
        named.map_or(Form::Seconds, Form::Of)
    })
}

/// Writes each second as it is told; created with the first, so that a run that never began leaves
/// nothing. A place that takes no more is told of once, and keeps whole lines.
async fn follow(mut seconds: mpsc::UnboundedReceiver<Second>, path: PathBuf) {
    let (mut file, mut whole) = (None::<fs::File>, 0);
    while let Some(second) = seconds.recv().await {
        let opened = file.take().map_or_else(|| fs::File::create(&path), Ok);
        let written = opened.and_then(|mut file| {
            // What was begun and did not fit is taken back, where that can be done.
            ndjson::write(&second, &mut file).inspect_err(|_| drop(file.set_len(whole)))?;
            whole = file.stream_position()?;
            Ok(file)
        });
        match written {
            Ok(open) => file = Some(open),
            Err(error) => {
                tell(&format!("warning: could not go on writing {}: {error}", path.display()));
                return;
            }
        }
    }
}

/// Runs the script, or all of them; the exit code is the outcome's, or the worst one.
pub fn run(args: &RunArgs) -> Result<u8, Error> {
    undo::settle()?;
    let mut scripts = scripts::load(&args.scripts, &args.source)?;
    let baseline =
        args.against.baseline.as_ref().map(|name| Baseline::load(&args.out, name)).transpose()?;
    let mut problems = Vec::new();
    for script in &mut scripts {
        let name = stem(&script.path);
        let own = baseline.as_ref().map(|baseline| baseline.of_script(&name));
        let plan = &mut script.loaded.plan;
        if let Some(lacking) = own.as_ref().and_then(|own| lacking(plan, own, &name, args)) {
            problems.push(lacking);
        } else {
            forewarn(plan, own.as_ref(), args);
            problems.extend(hold_against(plan, own.as_ref()));
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if scripts::is_suite(&args.scripts) {
        return suite::run(scripts, baseline.as_ref(), args);
    }
    let ran = scripts.into_iter().next().map(|script| one(script, baseline.as_ref(), args));
    let ran = ran.unwrap_or_else(|| unreachable!("one script was named"))?;
    if args.summary == Summary::Json {
        print(|out| report::json(&ran.outcome, ran.gate.as_ref(), Some(&ran.place), out))?;
    }
    Ok(exit_code(&ran.outcome, ran.gate.as_ref()))
}

/// A script that was run to its end.
pub struct Ran {
    /// What it did.
    pub outcome: Outcome,
    /// How that came out against a baseline, where there is one.
    pub gate: Option<Gate>,
    /// Where it is kept.
    pub place: String,
}

/// What the run of a script is told, but for who hears of its seconds.
pub(super) fn options(script: &Path, args: &RunArgs) -> Options {
    Options {
        name: stem(script),
        workers: args.workers.map(usize::from),
        allow_command: args.allow_command,
        allow_fault: args.allow_fault.clone(),
        seconds: None,
        journals: state::journals(),
    }
}

/// Runs one script, keeps what it did and tells people of it.
pub fn one(script: Script, baseline: Option<&Baseline>, args: &RunArgs) -> Result<Ran, Error> {
    let Script { path, loaded } = script;
    let folder = Folder::make(&args.out, &stem(&path))?;
    let detail = match (args.quiet, args.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    };
    let (told, seconds) = mpsc::unbounded_channel();
    let told = args.reports.contains(&Form::Seconds).then_some(told);
    let options = Options { seconds: told, ..options(&path, args) };
    let drawn = io::stderr().is_terminal() && !dumb();
    let progress = Progress::new(detail, drawn, loaded.control.world());
    let outcome = engine::run(loaded, options, |states| async {
        tokio::join!(progress.follow(states), follow(seconds, folder.path().join(ndjson::FILE)));
    });
    let outcome = outcome?;
    let saved = outcome.save(folder.path());
    let base = baseline.map(|baseline| baseline.of_script(&outcome.run.name));
    let gate = base.as_ref().map(|base| hold(&outcome, base, args));
    let place = conclude(&outcome, gate.as_ref(), saved, folder.path(), args)?;
    remember(&args.out, &outcome, &place);
    if let (Some(gate), Some(base)) = (&gate, &base) {
        tell_of(gate, base, &outcome, folder.path(), args)?;
    }
    Ok(Ran { outcome, gate, place })
}

/// That a baseline has no run of a script which cannot do without: for a threshold, or since it is
/// to fail where it cannot be compared.
fn lacking(plan: &Plan, own: &Baseline, name: &str, args: &RunArgs) -> Option<Problem> {
    if !own.outcomes.is_empty() {
        return None;
    }
    let needing = plan.thresholds.iter().find(|(threshold, _)| threshold.needs_baseline());
    if needing.is_none() && args.against.pass_inconclusive {
        return None;
    }
    let without = if needing.is_some() { "this threshold" } else { "--baseline" };
    let at = needing.map(|(_, place)| place.clone());
    Some(Problem { at, ..own.lacks(name, without, &args.out).into() })
}

/// Says before the load that its run cannot be compared, as far as that is known.
fn forewarn(plan: &Plan, baseline: Option<&Baseline>, args: &RunArgs) {
    let base = baseline.and_then(|baseline| Some((&baseline.name, baseline.outcomes.first()?)));
    if let (Some((name, base)), false) = (base, args.against.anyway) {
        for what in foreseen(base, plan) {
            tell(&format!("warning: this run cannot be compared with {name}: {what}"));
        }
    }
}

/// Gives thresholds that speak of a baseline its values; all that lack one are told at once.
fn hold_against(plan: &mut Plan, baseline: Option<&Baseline>) -> Vec<Problem> {
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
    problems
}

/// What a pull request is told of a comparison.
const COMPARISON: &str = "comparison.md";

/// Holds a run against those of its script in a baseline, which may have none.
fn hold(outcome: &Outcome, base: &Baseline, args: &RunArgs) -> Gate {
    let against = &args.against;
    let found = if base.outcomes.is_empty() {
        Err(vec![base.lacks(&outcome.run.name, "--baseline", &args.out).what])
    } else {
        let judging = Judging { fail_on: against.fail_on, anyway: against.anyway };
        compared(&base.outcomes, slice::from_ref(outcome), &judging, &[])
    };
    Gate { found, pass_inconclusive: against.pass_inconclusive, must_improve: false }
}

/// Tells how the run compares, on stdout even when it cannot be kept beside the outcome.
fn tell_of(
    gate: &Gate,
    base: &Baseline,
    outcome: &Outcome,
    folder: &Path,
    args: &RunArgs,
) -> Result<(), Error> {
    let compared = match &gate.found {
        Ok(compared) => compared,
        Err(differences) => {
            let mut text = Vec::new();
            comparison::refused(differences, &mut text).map_err(Error::Summary)?;
            let why = if base.outcomes.is_empty() {
                Error::from(base.lacks(&outcome.run.name, "--baseline", &args.out))
            } else {
                Error::Incomparable(differences.clone())
            };
            tell(&why.to_string());
            return write_whole(&folder.join(COMPARISON), &text).map_err(Error::Report);
        }
    };
    let sides = [&*base.outcomes, slice::from_ref(outcome)];
    let written = write_comparison(compared, sides, folder, args);
    if args.summary == Summary::Text {
        compare::print(compared, None, gate.exit_code(), Format::Text)?;
    }
    written
}

/// Keeps a comparison beside the outcome it is of.
fn write_comparison(
    compared: &Comparison,
    sides: [&[Outcome]; 2],
    folder: &Path,
    args: &RunArgs,
) -> Result<(), Error> {
    let exit = compared.exit_code();
    for (file, format) in [(COMPARISON, Format::Markdown), ("comparison.json", Format::Json)] {
        let mut text = Vec::new();
        compare::write(compared, None, exit, format, &mut text).map_err(Error::Summary)?;
        write_whole(&folder.join(file), &text).map_err(Error::Report)?;
    }
    let page =
        args.reports.contains(&Form::Of(Report::Html)).then(|| folder.join("comparison.html"));
    compare::write_page(compared, None, sides, page.as_deref())
}

/// Adds a run to the history; that this cannot be done is no fault of the run's.
pub fn remember(out: &Path, outcome: &Outcome, place: &str) {
    if let Err(error) = history::add(out, outcome, place) {
        tell(&format!("warning: {}\n  hint: {}", error.what, error.hint));
    }
}

/// Writes reports, then prints for people: the summary even when it could not be saved. Where it is
/// kept.
fn conclude(
    outcome: &Outcome,
    gate: Option<&Gate>,
    saved: Result<PathBuf, FileError>,
    folder: &Path,
    args: &RunArgs,
) -> Result<String, Error> {
    let reported = args.reports.iter().try_for_each(|form| {
        let Form::Of(report) = form else { return Ok(()) };
        let mut text = Vec::new();
        report.write(outcome, gate, &mut text).map_err(Error::Summary)?;
        write_whole(&folder.join(report.file()), &text).map_err(Error::Report)
    });
    let place = saved.as_ref().ok().map(|path| path.display().to_string());
    let printed = match args.summary {
        Summary::Text => print(|out| report::text(outcome, place.as_deref(), ink(), out)),
        Summary::Json if saved.is_err() => print(|out| report::json(outcome, gate, None, out)),
        Summary::Json => Ok(()),
    };
    let place = saved.map_err(Error::Results)?.display().to_string();
    reported?;
    printed.map(|()| place)
}

/// Prints on stdout what is written.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut text = Vec::new();
    let mut out = io::stdout().lock();
    match write(&mut text).and_then(|()| out.write_all(&text)).and_then(|()| out.flush()) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Summary(error)),
        _ => Ok(()),
    }
}

/// The name results of a script are kept under.
pub fn stem(script: &Path) -> String {
    script.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
