//! A program that is bound to its guard: it is asked to end when the guard is gone, even by a kill.
//!
//! A guard that was killed ends nobody. Linux sends a process a signal when the thread that started it
//! is gone, if the process has asked for that. The wish outlives that another program takes its place,
//! but no change of its user, and nobody can ask in its place. So for a moment this program itself
//! stands between guard and server: it has the server's user already, asks, and becomes the server.
//!
//! Only the server itself is asked: what it has started, and a server that ignores the signal, lives on.
//!
//! When it cannot become the server, it leaves the reason in the server's folder for the guard, who
//! tells it as of a program that could not be started.
//!
//! Elsewhere than on Linux, and where the server's user may not run this program, a server is started
//! as it is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::OFlags;

/// The file in a server's folder with the number of the system's error for why there is no server.
const WHY_NOT: &str = ".why-not";

/// The command that becomes the program, bound to this process; `None` where that cannot be.
pub(super) fn command(program: &Path, signal: i32, folder: &Path) -> Option<Command> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // Found by whoever may not look into the folder that this program lies in.
    let mut command = Command::new("/proc/self/exe");
    let (guard, signal) = (std::process::id().to_string(), signal.to_string());
    command.args(["guard", "--pid", &guard, "--signal", &signal, "--why-not"]);
    command.arg(folder.join(WHY_NOT)).arg("--").arg(program);
    Some(command)
}

/// Asks for a signal at the death of the guard, and becomes the program. Returns only when it cannot:
/// an error where the guard could not be told why.
pub fn become_program(
    guard: u32,
    signal: i32,
    why_not: &Path,
    words: &[OsString],
) -> io::Result<()> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(io::Error::other("there is none"));
    };
    let error = match bind(guard, signal) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    match error.raw_os_error().map(|number| fs::write(why_not, number.to_string())) {
        Some(Ok(())) => Ok(()),
        _ => Err(error),
    }
}

/// Why a process that has ended did not become its program; `None` where it did.
pub(super) fn why_not(folder: &Path) -> Option<io::Error> {
    // The folder is the server's: what lies there may lead elsewhere, or never end.
    let plain = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut reason = File::options();
    reason.read(true).custom_flags(plain.bits().cast_signed());
    let mut number = String::new();
    reason.open(folder.join(WHY_NOT)).ok()?.take(16).read_to_string(&mut number).ok()?;
    number.parse().ok().map(io::Error::from_raw_os_error)
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
