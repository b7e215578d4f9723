//! The journal: what was broken outside of this process, written down before it was broken, so that
//! it can be put right whatever becomes of this process.
//!
//! A run writes a line, waits until it is on the disk, and only then breaks something; when that is
//! undone and verified it writes another. A journal with a line that has no other is *open*. While
//! its run is alive the file is locked by it; a lock that can be had means that the run is dead.
//! Three read it: the run's own watchdog, a child that waits at the end of a pipe until the run is
//! gone; the next run, before it begins; and `loadrun undo`.
//!
//! What needs it is what outlives this process: the settings of a server, and a service that stands
//! still, should its guard be killed too. Proxies, locks and connections held end with the process.
//!
//! It may hold passwords, as a server's own configuration does: nobody but its owner can read it.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{Access, FlockOperation, access, flock};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::service::Remains;

/// How a journal's name ends.
const END: &str = "jsonl";

/// How long an undo is tried again.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// How something is put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undo {
    /// Settings of a Redis.
    Redis(super::redis::Restore),
    /// A service of the run that stands still: it goes on, and ends.
    Service(Remains),
}

impl Undo {
    async fn undo(&self) -> Result<(), String> {
        match self {
            Self::Redis(restore) => restore.undo().await,
            Self::Service(remains) => remains.clear().await,
        }
    }
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Whose journal it is; the first line.
    Run { script: String, pid: u32 },
    /// Something is about to be broken.
    Open { number: u64, what: String, undo: Undo },
    /// It has been put right.
    Done { number: u64 },
}

/// The journal of this run. There is no file until something is noted.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    exe: PathBuf,
    script: String,
    open: RefCell<Option<Open>>,
}

/// A journal with something in it.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// At its end the watchdog begins.
    _watchdog: PipeWriter,
    noted: u64,
    undone: u64,
}

impl Journal {
    /// A journal in this folder, of a run of this script; `exe` is this program.
    pub fn new(folder: PathBuf, exe: PathBuf, script: String) -> Self {
        Self { folder, exe, script, open: RefCell::default() }
    }

    /// Why there can be no journal in that folder, if there cannot; leaves no trace of having looked.
    pub fn cannot_be_in(folder: &Path) -> Option<io::Error> {
        let there = folder.ancestors().find(|folder| folder.exists())?;
        if !there.is_dir() {
            return Some(io::ErrorKind::NotADirectory.into());
        }
        access(there, Access::WRITE_OK | Access::EXEC_OK).err().map(Into::into)
    }

    /// Writes down how to put right what is about to be broken, and returns its number once it is
    /// on the disk and somebody watches.
    pub fn note(&self, what: &str, undo: Undo) -> Result<u64, String> {
        self.write_down(what, undo).map_err(|error| {
            format!("no journal in {}, so nothing was broken: {error}", self.folder.display())
        })
    }

    fn write_down(&self, what: &str, undo: Undo) -> io::Result<u64> {
        let mut open = self.open.borrow_mut();
        let open = match &mut *open {
            Some(open) => open,
            none => none.insert(self.begin()?),
        };
        let number = open.noted;
        append(&mut open.file, &Line::Open { number, what: what.to_owned(), undo })?;
        open.noted += 1;
        Ok(number)
    }

    /// Writes down that something is put right. Where that fails it will be put right once more.
    pub fn done(&self, number: u64) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            open.undone += 1;
            let _ = append(&mut open.file, &Line::Done { number });
        }
    }

    /// The file, locked, and the watchdog.
    fn begin(&self) -> io::Result<Open> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let pid = std::process::id();
        let stamp = jiff::Timestamp::now().as_nanosecond();
        let path = self.folder.join(format!("{stamp}-{pid}.{END}"));
        let mut file = locked(&path)?;
        append(&mut file, &Line::Run { script: self.script.clone(), pid })?;
        // The name has to be on the disk too.
        File::open(&self.folder)?.sync_all()?;
        let (stdin, pipe) = io::pipe()?;
        let watchdog = Command::new(&self.exe)
            .args(["undo", "--watch"])
            .arg(&path)
            .stdin(stdin)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        drop(watchdog);
        Ok(Open { path, file, _watchdog: pipe, noted: 0, undone: 0 })
    }
}

impl Drop for Journal {
    /// Where all is put right nothing is left; else the watchdog tries once more.
    fn drop(&mut self) {
        if let Some(open) = self.open.take()
            && open.noted == open.undone
        {
            let _ = fs::remove_file(&open.path);
        }
    }
}

/// A new file there, locked. Who looks for journals removes one that is empty and not yet locked.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let mut new = OpenOptions::new();
        let file = new.append(true).create_new(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        if path.exists() {
            return Ok(file);
        }
    }
}

fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// A journal whose run is dead.
#[derive(Debug)]
pub struct Left {
    path: PathBuf,
    /// Locked.
    file: File,
    /// What was run.
    pub script: String,
    /// What is still broken, the latest first.
    open: Vec<(u64, String, Undo)>,
}

/// What was broken, and why it still is, if it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// In words.
    pub what: String,
    /// `None` when it was seen to be put right.
    pub still: Option<String>,
}

impl Left {
    /// Those in a folder, the latest first.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == END))
            .collect();
        paths.sort();
        let lock = FlockOperation::NonBlockingLockExclusive;
        paths.iter().rev().filter_map(|path| Self::read(path, lock).ok().flatten()).collect()
    }

    /// The one in a file, once its run is dead; `None` when nothing is broken any more.
    pub fn when_dead(path: &Path) -> io::Result<Option<Self>> {
        Self::read(path, FlockOperation::LockExclusive)
    }

    fn read(path: &Path, lock: FlockOperation) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().append(true).read(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        flock(&file, lock)?;
        // Whoever had the lock may have removed it meanwhile.
        if !path.exists() {
            return Ok(None);
        }
        let (script, open) = read_lines(&fs::read_to_string(path)?);
        if open.is_empty() {
            fs::remove_file(path)?;
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_owned(), file, script, open }))
    }

    /// Puts right what is broken, the latest first, whatever becomes of the others; what of it.
    /// What fails is tried again after all others: one may keep another from being undone, as a
    /// wrong password does.
    pub async fn undo(mut self) -> Vec<Undone> {
        let deadline = Instant::now() + DEADLINE;
        let open = std::mem::take(&mut self.open);
        let untried = |what: &String| Undone { what: what.clone(), still: Some(String::new()) };
        let mut undone: Vec<_> = open.iter().map(|(_, what, _)| untried(what)).collect();
        loop {
            for ((number, _, undo), told) in open.iter().zip(&mut undone) {
                if told.still.is_some() {
                    told.still = undo.undo().await.err();
                    if told.still.is_none() {
                        let _ = append(&mut self.file, &Line::Done { number: *number });
                    }
                }
            }
            if undone.iter().all(|undone| undone.still.is_none()) {
                let _ = fs::remove_file(&self.path);
                return undone;
            }
            if Instant::now() >= deadline {
                return undone;
            }
            sleep(PAUSE).await;
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whose journal it is, and what is open in it, the latest first. A line that is not whole was
/// never answered for: nothing was broken after it.
fn read_lines(text: &str) -> (String, Vec<(u64, String, Undo)>) {
    let (mut script, mut open) = (String::new(), Vec::new());
    for line in text.lines().map_while(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Run { script: run, .. } => script = run,
            Line::Open { number, what, undo } => open.insert(0, (number, what, undo)),
            Line::Done { number } => open.retain(|(open, ..)| *open != number),
        }
    }
    (script, open)
}
