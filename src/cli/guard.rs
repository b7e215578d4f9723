//! `loadrun guard`: what stands between a run and one of its servers. Nobody types it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::tell;
use crate::error::Error;
use crate::plan::Problem;
use crate::service::{bound, guard};

/// What a shell says of a program that cannot be run.
const NO_PROGRAM: u8 = 127;

/// Without a program: the guard, with its orders on stdin.
#[derive(Args, Debug)]
pub struct GuardArgs {
    /// The guard that the program ends with
    #[arg(long, default_value_t)]
    pid: u32,
    /// What it is sent then
    #[arg(long, default_value_t)]
    signal: i32,
    /// Where it is told why it could not become the program
    #[arg(long)]
    why_not: Option<PathBuf>,
    /// A program to become, bound to its guard, and its arguments
    #[arg(last = true)]
    program: Vec<OsString>,
}

/// Guards the server named in the orders on stdin, to its end; or becomes a server.
pub fn run(args: &GuardArgs) -> Result<u8, Error> {
    if let Some(program) = args.program.first() {
        let why_not = args.why_not.clone().unwrap_or_default();
        let told = bound::become_program(args.pid, args.signal, &why_not, &args.program);
        if let Err(why) = told {
            tell(&format!("cannot be started: {}: {why}", program.display()));
        }
        return Ok(NO_PROGRAM);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(guard::run())) {
        Ok(()) => Ok(0),
        Err(error) => Err(vec![
            Problem::new(format!("no orders on stdin: {error}"))
                .hint("`guard` is started by a run that starts services"),
        ]
        .into()),
    }
}
