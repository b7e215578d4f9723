//! `loadrun scripts/`: several scripts one after the other, with one table and one grade at the end.
//!
//! What keeps any of them from starting is told before the first one starts, as far as it is known
//! then. A script that breaks does not keep the next one from running; a signal does, and then
//! what was done is told as at any end.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::folder::Folder;
use super::run::{Form, Ran, RunArgs, Summary, one, options, print, stem};
use super::scripts::Script;
use super::{ink, stop, tell};
use crate::baseline::Baseline;
use crate::engine::{self, EngineError};
use crate::error::Error;
use crate::outcome::write_whole;
use crate::plan::Problem;
use crate::report::Report;
use crate::report::suite::{self, Ended, Part, Suite};

/// Runs all scripts; the exit code is the worst one, or 130 when a signal came.
pub fn run(scripts: Vec<Script>, baseline: Option<&Baseline>, args: &RunArgs) -> Result<u8, Error> {
    foresee(&scripts, args)?;
    let mut signal = Signal::new()?;
    let folder = Folder::make(&args.out, "suite")?;
    let of = scripts.len();
    let mut suite = Suite::default();
    for (at, script) in scripts.into_iter().enumerate() {
        let shown = script.path.display().to_string();
        let ended = if suite.interrupted {
            Ended::NotRun
        } else {
            if !args.quiet {
                tell(&format!("{} of {of}: {shown}", at + 1));
            }
            ended(one(script, baseline, args))
        };
        suite.interrupted |= ended.exit() == Some(130) || signal.came();
        suite.parts.push(Part { script: shown, ended });
    }
    let written = write(&suite, folder.path(), args);
    print(|out| match args.summary {
        Summary::Text => suite::text(&suite, ink(), out),
        Summary::Json => suite::json(&suite, out),
    })?;
    written.map(|()| suite.exit())
}

/// What is known to keep scripts from starting, all of it.
fn foresee(scripts: &[Script], args: &RunArgs) -> Result<(), Error> {
    let mut problems: Vec<Problem> = namesakes(scripts).collect();
    for script in scripts {
        problems.extend(engine::foresee(&script.loaded, &options(&script.path, args))?);
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    // Each is made again when its script's turn has come: its name is the time of that.
    scripts.iter().try_for_each(|script| Folder::make(&args.out, &stem(&script.path)).map(drop))
}

/// Scripts of one name that are not one script: what they leave would be taken for each other's.
fn namesakes(scripts: &[Script]) -> impl Iterator<Item = Problem> {
    let whole = |script: &Script| script.path.canonicalize().unwrap_or(script.path.clone());
    scripts.iter().enumerate().filter_map(move |(at, script)| {
        let name = stem(&script.path);
        let mut before = scripts[..at].iter().filter(|other| stem(&other.path) == name);
        let other = before.find(|other| whole(other) != whole(script))?;
        let [other, this] = [other, script].map(|script| script.path.display());
        let what = format!("{other} and {this} are both called {name}");
        let hint = "results, baselines and cases of JUnit go by a script's name: rename one, or run \
                    them apart, each with an --out of its own";
        Some(Problem::new(what).hint(hint))
    })
}

fn ended(ran: Result<Ran, Error>) -> Ended {
    match ran {
        Ok(Ran { outcome, gate, place }) => Ended::Ran { outcome: Box::new(outcome), gate, place },
        Err(error) => {
            let what = error.to_string();
            tell(&what);
            Ended::Failed { what, exit: error.exit_code() }
        }
    }
}

/// Keeps what the scripts did together.
fn write(suite: &Suite, folder: &Path, args: &RunArgs) -> Result<(), Error> {
    for report in Report::ALL {
        let always = report == Report::Json;
        if let Some(write) = suite::form(report)
            && (always || args.reports.contains(&Form::Of(report)))
        {
            let mut text = Vec::new();
            write(suite, &mut text).map_err(Error::Summary)?;
            write_whole(&folder.join(report.file()), &text).map_err(Error::Report)?;
        }
    }
    Ok(())
}

/// Whether the suite has been told to end: a run listens to signals, and between two runs this does.
struct Signal {
    runtime: Runtime,
    told: Pin<Box<dyn Future<Output = ()>>>,
    came: bool,
}

impl Signal {
    fn new() -> Result<Self, Error> {
        let broken = |error: io::Error| {
            Error::from(EngineError::System(format!("cannot catch signals: {error}")))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(broken)?;
        let told = {
            let _inside = runtime.enter();
            stop::signal().map_err(broken)?
        };
        Ok(Self { runtime, told: Box::pin(told), came: false })
    }

    fn came(&mut self) -> bool {
        if !self.came {
            let told = &mut self.told;
            // Long enough for the event loop to look.
            let wait = async { tokio::time::timeout(Duration::from_millis(1), told).await };
            self.came = self.runtime.block_on(wait).is_ok();
        }
        self.came
    }
}
