//! Processes of this machine, as Linux shows them: who descends from whom, who stands still, and
//! which of those that have had the same id it is.
//!
//! A server's workers may be in process groups of their own (PostgreSQL's are), so a signal to the
//! server's group does not reach them. Where there is no `/proc`, a family is its head alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How long a signal is waited for; a process that waits for a disk does not take any.
const ARRIVAL: Duration = Duration::from_millis(500);

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// Its process group.
    group: u32,
    /// `T` stands still, `Z` has ended.
    state: char,
    /// When it began, in ticks since the machine did.
    began: u64,
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

/// One process and no other, whoever has its id later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Birth {
    pid: u32,
    /// When it began, in ticks since the machine did.
    began: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Birth {
    /// That of the process that has the id now; `None` where there is none, or nothing is known.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, began: process(pid)?.began, boot: boot()? })
    }

    /// Its id while it is there.
    pub(super) fn alive(&self) -> Option<u32> {
        let found = process(self.pid).filter(|found| !found.has_ended())?;
        (found.began == self.began && boot()? == self.boot).then_some(self.pid)
    }
}

/// Which start of the machine this is.
fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Everything that belongs to a server: it, what descends from it, its group, and whatever works in
/// its folder. The first three are known only while the server itself is there.
pub(super) fn belongings(head: &Birth, folder: &Path) -> Vec<u32> {
    let group = head.alive();
    let mut all: BTreeSet<u32> = group.map(family).into_iter().flatten().collect();
    let others = self::all().into_iter().filter(|process| {
        !process.has_ended() && (Some(process.group) == group || works_in(process.pid, folder))
    });
    all.extend(others.map(|process| process.pid));
    all.into_iter().collect()
}

fn works_in(pid: u32, folder: &Path) -> bool {
    let at = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    // The system says so of a folder that has been removed.
    let removed = at.to_str().and_then(|at| at.strip_suffix(" (deleted)")).map(Path::new);
    removed.unwrap_or(&at).starts_with(folder)
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

/// Lets processes stand still, those that are found meanwhile too; who they are. A signal takes its
/// time to arrive, and whoever is about to make a child may still do so: it is over when all known
/// ones were seen to stand still, and none was new after that.
pub(super) fn hold_still(found: impl Fn() -> Vec<u32>) -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let arrived = |process: Process| process.is_still() || process.has_ended();
        let still = held.iter().all(|pid| process(*pid).is_none_or(arrived));
        let new: Vec<_> = found().into_iter().filter(|pid| held.insert(*pid)).collect();
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
    let (parent, group) = (rest.next()?.parse().ok()?, rest.next()?.parse().ok()?);
    let began = rest.nth(16)?.parse().ok()?;
    Some(Process { pid, parent, group, state, began })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_brackets() {
        let line = "7 (a) S 1 (b) T 42 6 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 815 4096 1";
        let expected = Process { pid: 7, parent: 42, group: 6, state: 'T', began: 815 };
        assert_eq!(parse(7, line), Some(expected));
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

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_works_in_the_folder_of_a_server_that_is_gone_belonged_to_it() {
        let made = tempfile::tempdir().unwrap();
        let folder = made.path().canonicalize().unwrap();
        let gone = Birth { began: 0, ..Birth::of(std::process::id()).unwrap() };
        let mut left = std::process::Command::new("sleep");
        let mut left = left.arg("1000").current_dir(&folder).spawn().unwrap();
        assert_eq!(belongings(&gone, &folder), [left.id()]);
        fs::remove_dir(&folder).unwrap();
        assert_eq!(belongings(&gone, &folder), [left.id()]);
        left.kill().unwrap();
        left.wait().unwrap();
        assert!(belongings(&gone, &folder).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_has_the_id_of_a_process_that_is_gone_is_not_taken_for_it() {
        let own = Birth::of(std::process::id()).unwrap();
        assert_eq!(own.alive(), Some(own.pid));
        let before = Birth { began: own.began - 1, ..own.clone() };
        let other_start = Birth { boot: "another".to_owned(), ..own };
        let nowhere = Path::new("/nonexistent");
        for stranger in [before, other_start] {
            assert_eq!(stranger.alive(), None);
            assert!(belongings(&stranger, nowhere).is_empty());
        }
    }
}
