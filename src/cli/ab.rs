//! `loadrun ab SCRIPT --a target=URL1 --b target=URL2`: which of two is faster, now and here.
//!
//! Runs alternate A B B A, so that a machine that grows warmer or busier does so for both alike.
//! Every second run of A against the others is a control: nothing has changed there, so what is
//! seen to change is the noise of this machine now.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use super::compare::{self, Asked, Format, Judging, compared};
use super::folder::Folder;
use super::progress::{Detail, Progress};
use super::run::{remember, stem};
use super::source::{SourceArgs, parameters, text};
use super::{state, tell, undo};
use crate::compare::Control;
use crate::engine::{self, Options};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::plan::Problem;
use crate::script::{self, Loaded};

/// Arguments of `ab`.
#[derive(Debug, Args)]
#[command(after_help = compare::EXITS)]
pub struct AbArgs {
    /// The script, a Lua file that returns a table
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    /// A parameter as it is for A; may be given several times
    #[arg(long, value_name = "NAME=VALUE", required = true, value_parser = text())]
    a: Vec<String>,
    /// A parameter as it is for B
    #[arg(long, value_name = "NAME=VALUE", required = true, value_parser = text())]
    b: Vec<String>,
    /// Runs of each
    #[arg(long, value_name = "NUMBER", default_value_t = 6,
          value_parser = clap::value_parser!(u16).range(2..=100))]
    rounds: u16,
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
    #[command(flatten)]
    judging: Judging,
    #[command(flatten)]
    asked: Asked,
    /// How to print the comparison on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write a page with both sides in one picture
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

/// Runs both in turn, then compares B with A; exit codes as of `compare`, 130 when interrupted.
pub fn run(args: &AbArgs) -> Result<u8, Error> {
    undo::settle()?;
    let sides = foresee(args)?;
    let varied: Vec<String> = sides.iter().flat_map(|side| side.keys().cloned()).collect();
    let mut runs: [Vec<Outcome>; 2] = [Vec::new(), Vec::new()];
    for at in 0..2 * usize::from(args.rounds) {
        let side = usize::from(matches!(at % 4, 1 | 2));
        let (letter, round) = (["A", "B"][side], runs[side].len() + 1);
        if !args.quiet {
            tell(&format!("{letter} {round} of {}", args.rounds));
        }
        let outcome = once(args, load(args, &sides[side])?)?;
        if outcome.run.interrupted {
            tell("interrupted: nothing is compared; the runs so far are in the results");
            return Ok(130);
        }
        runs[side].push(outcome);
    }
    let [a, b] = runs;
    let gate = args.asked.gate(compared(&a, &b, &args.judging, &varied));
    let exit = gate.exit_code();
    let compared = match gate.found {
        Ok(compared) => compared,
        Err(differences) => return compare::refused(differences, exit),
    };
    let control = control(&a, args)?;
    compare::print(&compared, Some(&control), exit, args.format)?;
    compare::write_page(&compared, Some(&control), [&a, &b], args.html.as_deref())?;
    Ok(exit)
}

type Parameters = BTreeMap<String, String>;

/// The parameters of each side; what keeps either from starting is told before the first run.
fn foresee(args: &AbArgs) -> Result<[Parameters; 2], Error> {
    let sides = [&args.a, &args.b].map(|given| parameters(given));
    let mut found: [Vec<Problem>; 2] = Default::default();
    for (side, found) in sides.iter().zip(&mut found) {
        *found = match side {
            Err(problems) => problems.clone(),
            Ok(side) => match load(args, side) {
                Err(problems) => problems,
                Ok(loaded) => engine::foresee(&loaded, &options(args))?,
            },
        };
    }
    let [a, b] = &found;
    let (both, only_a): (Vec<_>, Vec<_>) = a.iter().partition(|problem| b.contains(problem));
    let only_b = b.iter().filter(|problem| !both.contains(problem));
    let of = |side: &'static str| {
        move |it: &Problem| Problem { what: format!("{side}: {}", it.what), ..it.clone() }
    };
    let alone = only_a.into_iter().map(of("A")).chain(only_b.map(of("B")));
    let problems: Vec<_> = both.iter().map(|&problem| problem.clone()).chain(alone).collect();
    match sides {
        [Ok(a), Ok(b)] if problems.is_empty() => Ok([a, b]),
        _ => Err(problems.into()),
    }
}

/// The script with the parameters of one side.
fn load(args: &AbArgs, side: &Parameters) -> Result<Loaded, Vec<Problem>> {
    let mut source = args.source.read(&args.script)?;
    source.params.extend(side.clone());
    script::load_as(source, &args.source.profiles, false)
}

fn options(args: &AbArgs) -> Options {
    Options {
        name: stem(&args.script),
        workers: args.workers.map(usize::from),
        allow_command: args.allow_command,
        allow_fault: args.allow_fault.clone(),
        seconds: None,
        journals: state::journals(),
    }
}

/// One run, kept like any other.
fn once(args: &AbArgs, loaded: Loaded) -> Result<Outcome, Error> {
    let options = options(args);
    let folder = Folder::make(&args.out, &options.name)?;
    let detail = if args.quiet { Detail::Quiet } else { Detail::Normal };
    let progress = Progress::new(detail, io::stderr().is_terminal(), loaded.control.world());
    let outcome = engine::run(loaded, options, |states| progress.follow(states))?;
    let place = outcome.save(folder.path()).map_err(Error::Results)?;
    remember(&args.out, &outcome, &place.display().to_string());
    Ok(outcome)
}

/// A against itself: every second of its runs against the others.
fn control(a: &[Outcome], args: &AbArgs) -> Result<Control, Error> {
    let half = |odd: usize| -> Vec<Outcome> {
        a.iter().enumerate().filter(|(at, _)| at % 2 == odd).map(|(_, run)| run.clone()).collect()
    };
    let itself = compared(&half(0), &half(1), &args.judging, &[]).map_err(Error::Incomparable)?;
    Ok(Control::of(&itself))
}
