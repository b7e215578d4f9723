//! Processes of this machine, as Linux shows them: who descends from whom, and who stands still.
//!
//! A server's workers may be in process groups of their own (PostgreSQL's are), so a signal to the
//! server's group does not reach them. Where there is no `/proc`, a family is its head alone.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a signal is waited for; a process that waits for a disk does not take any.
const ARRIVAL: Duration = Duration::from_millis(500);

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// `T` stands still, `Z` has ended.
    state: char,
}

impl Process {
    /// Whether it does nothing until it is told to go on.
    fn is_still(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Whether it does nothing any more.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// A process and all that descends from it, itself first; those that have ended are left out.
pub(super) fn family(head: u32) -> Vec<u32> {
    let all = all();
    let mut family = vec![head];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        let born = all.iter().filter(|process| process.parent == parent && !process.has_ended());
        family.extend(born.map(|process| process.pid));
        at += 1;
    }
    family
}

/// Lets a process and all that descends from it stand still, children made meanwhile too; who
/// they are. A signal takes its time to arrive, and whoever is about to make a child may still do
/// so: it is over when all known ones were seen to stand still, and none was new after that.
pub(super) fn hold_still(head: u32) -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let arrived = |found: Process| found.is_still() || found.has_ended();
        let still = held.iter().all(|pid| process(*pid).is_none_or(arrived));
        let new: Vec<_> = family(head).into_iter().filter(|pid| held.insert(*pid)).collect();
        let over = new.is_empty() && (still || Instant::now() >= deadline);
        signal_all(new, Signal::STOP);
        if over {
            return held;
        }
        sleep(Duration::from_millis(1));
    }
}

/// Signals processes; one that is gone is no matter.
pub(super) fn signal_all(pids: impl IntoIterator<Item = u32>, signal: Signal) {
    for pid in pids.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process and all that descends from it stand still; `None` where nothing is known.
pub(super) fn stand_still(head: u32) -> Option<bool> {
    let look = || {
        let found: Vec<_> = family(head).into_iter().filter_map(process).collect();
        (!found.is_empty()).then(|| found.iter().all(Process::is_still))
    };
    // A child made while we looked shows only when none of them can make another.
    if look()? { look() } else { Some(false) }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn process(pid: u32) -> Option<Process> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads a line of `/proc/*/stat`; the name in it may hold anything, `)` included.
fn parse(pid: u32, line: &str) -> Option<Process> {
    let mut rest = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    Some(Process { pid, parent: rest.next()?.parse().ok()?, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_brackets() {
        let line = "7 (a) S 1 (b) T 42 7 7 0 -1 4194304 1 0";
        assert_eq!(parse(7, line), Some(Process { pid: 7, parent: 42, state: 'T' }));
        assert_eq!(parse(7, "7 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_heads_a_family_and_does_not_stand_still() {
        let own = std::process::id();
        assert_eq!(family(own)[0], own);
        assert_eq!(stand_still(own), Some(false));
        assert!(all().iter().any(|process| process.pid == own));
    }
}
