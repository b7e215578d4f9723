//! `loadrun baseline`: runs kept under a name, to hold later ones against.

use std::io::Write;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::run::print;
use super::{ink, tell};
use crate::baseline::{Baseline, BaselineError, locate};
use crate::error::Error;
use crate::plan::Problem;
use crate::report::spread;
use crate::units::show_duration;

/// Arguments of `baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    #[command(subcommand)]
    what: What,
    /// Folder of the results, where baselines are kept
    #[arg(long, value_name = "FOLDER", default_value = "results", global = true)]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Keep one or several runs under a name; several say how much runs differ by themselves
    Save {
        /// What to call it
        name: String,
        /// An outcome.json, or a folder of results (the latest run in it)
        #[arg(required = true, value_name = "OUTCOME")]
        outcomes: Vec<String>,
        /// Add to the runs kept under this name
        #[arg(long, conflicts_with = "replace")]
        add: bool,
        /// Forget the runs kept under this name
        #[arg(long)]
        replace: bool,
        /// Of each script keep only so many runs, the last ones taken in
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Keep even runs that cannot be compared with each other
        #[arg(long)]
        anyway: bool,
    },
    /// List the names
    List,
    /// Say which runs are kept under a name
    Show {
        /// What it is called
        name: String,
    },
    /// Remove a name and its runs
    Rm {
        /// What it is called
        name: String,
    },
}

/// Does what was asked; 0 when it could.
pub fn run(args: &BaselineArgs) -> Result<u8, Error> {
    let results = args.out.as_path();
    let text = match &args.what {
        What::Save { name, outcomes, add, replace, keep, anyway } => {
            let kept = match (add, replace, Baseline::exists(results, name)) {
                (false, false, true) => return Err(taken(name)),
                (true, _, true) => Baseline::load(results, name)?,
                _ => Baseline::new(name)?,
            };
            let most = keep.map_or(usize::MAX, |keep| keep as usize);
            described(&save(kept, results, outcomes, most, *anyway)?)
        }
        What::List => list(results),
        What::Show { name } => described(&Baseline::load(results, name)?),
        What::Rm { name } => {
            Baseline::remove(results, name)?;
            String::new()
        }
    };
    print(|out| out.write_all(text.as_bytes()))?;
    Ok(0)
}

fn taken(name: &str) -> Error {
    Error::usage(
        format!("there is a baseline {name} already"),
        "--add puts the runs to those kept under it, --replace forgets these",
    )
}

/// Takes in every run that can be. One that is not VALID, or is there already, says nothing against
/// the others: it is left out, and told of. All else that is wrong keeps all of them out, as does that
/// none can be taken in.
fn save(
    mut kept: Baseline,
    results: &Path,
    words: &[String],
    most: usize,
    anyway: bool,
) -> Result<Baseline, Error> {
    let (mut problems, mut left_out) = (Vec::<Problem>::new(), Vec::<Problem>::new());
    let before = kept.outcomes.len();
    for word in words {
        let runs = match known(word, results).and_then(|()| locate(word, results)) {
            Ok(meant) => meant.runs(),
            Err(error) => {
                problems.push(error.into());
                continue;
            }
        };
        for outcome in runs {
            let of = |error: BaselineError| {
                let what = format!("{word}: {}", error.what);
                Problem::from(BaselineError { what, ..error })
            };
            match kept.unfit(&outcome) {
                Some(why) => left_out.push(of(why)),
                None => problems.extend(kept.add(outcome, anyway).err().map(of)),
            }
        }
    }
    if !problems.is_empty() || kept.outcomes.len() == before {
        return Err(problems.into_iter().chain(left_out).collect::<Vec<_>>().into());
    }
    for Problem { what, hint, .. } in left_out {
        tell(&format!("warning: left out: {what}\n  hint: {}", hint.unwrap_or_default()));
    }
    kept.shorten(most);
    kept.save(results)
        .map_err(|error| Error::usage(format!("could not keep it: {error}"), error.hint))?;
    Ok(kept)
}

/// That a word is at least the name of something.
fn known(word: &str, results: &Path) -> Result<(), BaselineError> {
    if Path::new(word).exists() || Baseline::exists(results, word) {
        return Ok(());
    }
    let script = results.join(word);
    let hint = if script.is_dir() {
        format!("did you mean {}?", script.display())
    } else {
        format!("name an outcome.json, or a folder of results such as {}/SCRIPT", results.display())
    };
    Err(BaselineError { what: format!("there is no {word}"), hint })
}

/// One line a baseline; one that cannot be read says why in its place.
fn list(results: &Path) -> String {
    let lines =
        Baseline::names(results).into_iter().map(|name| match Baseline::load(results, &name) {
            Ok(kept) => format!("{name}  {}, kept {}\n", runs(&kept), kept.saved),
            Err(error) => format!("{name}  unreadable: {}\n", error.what),
        });
    lines.collect()
}

fn described(kept: &Baseline) -> String {
    let mut names: Vec<&str> = kept.outcomes.iter().map(|run| run.run.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let each = names.iter().map(|name| {
        let own = kept.of_script(name).outcomes;
        let head = if names.len() > 1 { format!("\n{name}\n") } else { String::new() };
        let listed = own.iter().map(|outcome| {
            let run = &outcome.run;
            let elapsed = show_duration(Duration::from_secs_f64(run.elapsed));
            format!("  {}  {elapsed}, seed {}\n", run.started, run.seed)
        });
        let mut spread = Vec::new();
        // Writing to memory does not fail.
        let _ = match own[..] {
            [_] => writeln!(spread, "  {ONE_RUN}"),
            _ => spread::write(&own, ink(), &mut spread),
        };
        let spread = String::from_utf8_lossy(&spread).into_owned();
        head + &listed.chain([spread]).collect::<String>()
    });
    let head = format!("{}  {}\n", kept.name, runs(kept));
    iter::once(head).chain(each).collect()
}

const ONE_RUN: &str = "how much runs differ by themselves is not known from one; five tell";

/// How many runs of which scripts: "2 runs of checkout, 1 run of search".
fn runs(kept: &Baseline) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in kept.outcomes.iter().map(|outcome| outcome.run.name.as_str()) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let told = counts.into_iter().map(|(name, count)| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} run{plural} of {name}")
    });
    told.collect::<Vec<_>>().join(", ")
}
