//! `loadrun undo`: what a run that died has left broken is put right.
//!
//! A run does it by itself, and when it is killed its watchdog does, which is this command too. This
//! is for what neither could: a server that was not there at the time, a machine that lost power.
//! Every run begins with it.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::{state, tell};
use crate::error::Error;
use crate::fault::{Left, Undone};

/// Put right what a run that died has left broken, and see that it is.
#[derive(Args, Debug)]
pub struct UndoArgs {
    /// Wait until whoever holds the other end of stdin is gone, then undo what is open in this journal
    #[arg(long, hide = true, value_name = "JOURNAL")]
    watch: Option<PathBuf>,
}

/// 0 when nothing is broken any more, 3 when something still is.
pub fn run(args: &UndoArgs) -> u8 {
    let left = match &args.watch {
        Some(journal) => watched(journal).into_iter().collect(),
        None => Left::all(&state::journals()),
    };
    if left.is_empty() && args.watch.is_none() {
        tell(&format!("nothing is left broken ({})", state::journals().display()));
    }
    let still = left.into_iter().flat_map(undone).filter(|undone| undone.still.is_some()).count();
    if still == 0 { 0 } else { 3 }
}

/// The journal of a run that is gone, if something is open in it.
fn watched(journal: &Path) -> Option<Left> {
    // Nobody writes to it: it ends with the run.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    Left::when_dead(journal).ok().flatten()
}

/// Before a run: what is left is put right, or the run does not begin.
pub fn settle() -> Result<(), Error> {
    for left in Left::all(&state::journals()) {
        let journal = left.path().display().to_string();
        let mut still =
            undone(left).into_iter().filter_map(|undone| Some((undone.what, undone.still?)));
        if let Some((what, why)) = still.next_back() {
            let hint =
                format!("mend it and `loadrun undo`, or remove {journal} if it is as it should be");
            return Err(Error::usage(format!("{what} is still broken: {why}"), hint));
        }
    }
    Ok(())
}

/// Puts right what is open in a journal, and tells of it.
fn undone(left: Left) -> Vec<Undone> {
    tell(&format!("a run of {} died and left something broken", left.script));
    let runtime = LocalRuntime::new();
    let Ok(runtime) = runtime.inspect_err(|error| tell(&format!("no event loop: {error}"))) else {
        return Vec::new();
    };
    let undone = runtime.block_on(left.undo());
    for Undone { what, still } in &undone {
        match still {
            None => tell(&format!("  put right: {what}")),
            Some(why) => tell(&format!("  still broken: {what}: {why}")),
        }
    }
    undone
}
