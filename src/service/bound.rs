//! A program that is bound to its guard: it is asked to end when the guard is gone, even by a kill.
//!
//! A guard that was killed ends nobody. Linux sends a process a signal when the thread that started it
//! is gone, if the process has asked for that. The wish outlives that another program takes its place,
//! but no change of its user, and nobody can ask in its place. So for a moment this program itself
//! stands between guard and server: it has the server's user already, asks, and becomes the server.
//!
//! Elsewhere than on Linux, and where the server's user may not run this program, a server is started
//! as it is.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The command that becomes the program, bound to this process; `None` where that cannot be.
pub(super) fn command(program: &Path, signal: i32) -> Option<Command> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // Found by whoever may not look into the folder that this program lies in.
    let mut command = Command::new("/proc/self/exe");
    let (guard, signal) = (std::process::id().to_string(), signal.to_string());
    command.args(["guard", "--pid", &guard, "--signal", &signal, "--"]).arg(program);
    Some(command)
}

/// Asks for a signal at the death of the guard, and becomes the program; returns only when it cannot.
pub fn become_program(guard: u32, signal: i32, words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::Error::other("there is none");
    };
    match bind(guard, signal) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

#[cfg(target_os = "linux")]
fn bind(guard: u32, signal: i32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Signal::from_named_raw(signal))?;
    // One that was gone before sends nothing any more.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if parent == Some(guard) { Ok(()) } else { Err(io::Error::other("its guard is gone")) }
}

#[cfg(not(target_os = "linux"))]
fn bind(_guard: u32, _signal: i32) -> io::Result<()> {
    Ok(())
}
