//! What every Lua state of one run shares, and the script they all load.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::log::Log;
use super::measure::nanoseconds;
use super::plain::Plain;
use crate::fault::Holder;
use crate::plan::Problem;

/// Longest a resume of a coroutine may take.
const STALL: Duration = Duration::from_secs(5);

/// Where a script comes from, and what was given to it from outside.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user typed it; error messages show it.
    pub path: PathBuf,
    /// The folder the script may read, absolute and with symbolic links resolved.
    pub folder: PathBuf,
    /// The text of the file.
    pub text: Arc<[u8]>,
    /// Parameters from the command line, `-p name=value`.
    pub params: BTreeMap<String, String>,
    /// Parameters from the environment, by upper-case name without `LOADRUN_`.
    pub env: BTreeMap<String, String>,
    /// The seed of all randomness of the run.
    pub seed: u64,
}

/// A value of the run kept under its type and a name.
type Kept = Arc<dyn Any + Send + Sync>;

/// What every Lua state of one run shares.
pub struct World {
    /// The script and what it was given.
    pub source: Source,
    /// When load began to be offered; set once by the engine, before any user runs.
    pub begin: OnceLock<Instant>,
    /// What `setup` returned; set once, before any worker's users run.
    pub setup: OnceLock<Plain>,
    /// Set by a script that may break something while it runs.
    pub breaks: AtomicBool,
    /// Who holds the faults of the run; set once by the engine, not set where there is no run.
    pub faults: OnceLock<Holder>,
    /// How many workers share the load; set once by the engine, 1 where it is not.
    pub workers: OnceLock<usize>,
    /// Set by the engine when the run is to end at once: whatever a script is doing then is ended,
    /// `teardown` too, and what it fails with is not counted.
    pub halted: AtomicBool,
    /// Set by the engine when the load has ended, before `teardown`.
    pub over: AtomicBool,
    /// When the script was read: the zero of `time.now()`.
    pub made: Instant,
    /// What scripts wrote with `loadrun.log` and `print`.
    pub log: Log,
    /// Longest a resume of a coroutine may take, in nanoseconds; shorter in tests only.
    stall_limit: AtomicU64,
    /// Where declared services are, by name.
    services: Mutex<BTreeMap<String, Whereabouts>>,
    /// Lua files of the script's folder that it required, by path below it, with their SHA-256.
    required: Mutex<BTreeMap<PathBuf, [u8; 32]>>,
    /// Everything else that is shared, by type and name.
    kept: Mutex<HashMap<(TypeId, String), Kept>>,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(source: Source) -> Arc<Self> {
        let log = Log::default();
        log.secrets.add_literals(&source.text);
        Arc::new(Self {
            source,
            begin: OnceLock::new(),
            setup: OnceLock::new(),
            workers: OnceLock::new(),
            breaks: AtomicBool::new(false),
            faults: OnceLock::new(),
            halted: AtomicBool::new(false),
            over: AtomicBool::new(false),
            made: Instant::now(),
            log,
            stall_limit: AtomicU64::new(nanoseconds(STALL)),
            required: Mutex::default(),
            services: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// Whether the run is to end at once.
    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Whether the load has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What may not be shown, as far as it is known, the longest first: secret parameters, and what
    /// the script is known by. Those shorter than 4 characters are left out.
    pub fn secrets(&self) -> Vec<String> {
        self.log.secrets.list()
    }

    /// A text without what may not be shown.
    pub fn masked(&self, text: String) -> String {
        self.log.secrets.masked(text)
    }

    /// Problems without what may not be shown.
    pub(super) fn masked_problems(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let masked = problems.into_iter().map(|problem| Problem {
            what: self.masked(problem.what),
            at: problem.at,
            hint: problem.hint.map(|hint| self.masked(hint)),
        });
        masked.collect()
    }

    /// Notes a Lua file that the script consists of besides its own.
    pub(super) fn note_required(&self, path: &Path, text: &[u8]) {
        let mut required = self.required.lock().unwrap_or_else(PoisonError::into_inner);
        required.insert(path.to_owned(), Sha256::digest(text).into());
    }

    /// The Lua files that the script consists of besides its own, so far: absolute paths.
    pub fn required(&self) -> Vec<PathBuf> {
        let required = self.required.lock().unwrap_or_else(PoisonError::into_inner);
        required.keys().map(|path| self.source.folder.join(path)).collect()
    }

    /// SHA-256 of the script with all the Lua files it required so far, in hex: the same for two
    /// runs of the same code, wherever it lies.
    pub fn fingerprint(&self) -> String {
        let required = self.required.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = Sha256::new().chain_update(Sha256::digest(&self.source.text));
        for (path, digest) in &*required {
            whole.update(path.as_os_str().as_encoded_bytes());
            whole.update(digest);
        }
        hex::encode(whole.finalize())
    }

    /// Stops resumes after another time than 5 s.
    #[cfg(test)]
    pub(super) fn stall_after(&self, limit: Duration) {
        self.stall_limit.store(nanoseconds(limit), Ordering::Relaxed);
    }

    /// Longest a resume of a coroutine may take.
    pub(super) fn stall_limit(&self) -> Duration {
        Duration::from_nanos(self.stall_limit.load(Ordering::Relaxed))
    }

    /// The one `T` called `name` in this run, made by `make` when nobody asked for it before.
    ///
    /// `make` runs under the world's lock: it must not call back into the world.
    pub fn kept<T: Any + Send + Sync>(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let key = (TypeId::of::<T>(), name.to_owned());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let value = kept.entry(key).or_insert_with(|| Arc::new(make()));
        // The key holds the type, so the cast can only succeed.
        Arc::clone(value).downcast().unwrap_or_else(|_| unreachable!("kept under its own type"))
    }

    /// Every `T` of this run with its name, sorted by name.
    pub fn all_kept<T: Any + Send + Sync>(&self) -> Vec<(String, Arc<T>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = kept
            .iter()
            .filter(|((kind, _), _)| *kind == TypeId::of::<T>())
            .filter_map(|((_, name), value)| {
                Some((name.clone(), Arc::clone(value).downcast().ok()?))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Where service `name` is: not known until the engine has started it.
    pub fn service(&self, name: &str) -> Whereabouts {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.entry(name.to_owned()).or_default().clone()
    }

    /// Notes that a service is ready. A password in its URL is kept out of what is shown.
    pub fn found(&self, name: &str, url: &str, pid: u32) {
        let parsed = url::Url::parse(url).ok();
        if let Some(password) = parsed.as_ref().and_then(url::Url::password) {
            self.log.secrets.add(password);
        }
        self.service(name).found(url, pid);
    }

    /// Notes the process a service has now.
    pub fn restarted(&self, name: &str, pid: u32) {
        self.service(name).pid.store(pid, Ordering::Relaxed);
    }
}

/// Where a declared service is; clones are of one service.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    /// Set when it is ready, and stays.
    pub url: Arc<OnceLock<String>>,
    /// Process id; 0 before it has been started.
    pid: Arc<AtomicU32>,
}

impl Whereabouts {
    fn found(&self, url: &str, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
        // A service that is started again is where it was.
        let _ = self.url.set(url.to_owned());
    }

    /// Its process id; 0 before it has been started.
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }
}
