//! Processes of this machine, as Linux shows them: who descends from whom, and who stands still.
//!
//! A server's workers may be in process groups of their own (PostgreSQL's are), so a signal to the
//! server's group does not reach them. Where there is no `/proc`, a family is its head alone.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// `T` stands still, `Z` has ended.
    state: char,
}

/// A process and all that descends from it, itself first; those that have ended are left out.
pub(super) fn family(head: u32) -> Vec<u32> {
    let all = all();
    let mut family = vec![head];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        let born = all.iter().filter(|process| process.parent == parent && process.state != 'Z');
        family.extend(born.map(|process| process.pid));
        at += 1;
    }
    family
}

/// Lets a process and all that descends from it stand still, children made meanwhile too; who
/// they are.
pub(super) fn hold_still(head: u32) -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    loop {
        let new: Vec<_> = family(head).into_iter().filter(|pid| held.insert(*pid)).collect();
        if new.is_empty() {
            return held;
        }
        signal_all(new, Signal::STOP);
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
    let still = |pid: u32| Some(matches!(process(pid)?.state, 'T' | 't'));
    let states: Vec<_> = family(head).into_iter().filter_map(still).collect();
    (!states.is_empty()).then(|| states.into_iter().all(|still| still))
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
