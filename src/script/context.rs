//! What the Rust side of a Lua state knows: the run all states share, the state's own recorder,
//! and whose coroutine is being resumed right now.
//!
//! A [`World`] is shared by every Lua state of one run and so is `Send + Sync`; a [`Context`]
//! belongs to one state and is not. A [`UserState`] is what one user has besides its Lua values.
//! Invariant: [`Context::current`] is set before every poll of a user's coroutine and cleared
//! after it, so a function called from Lua always knows for whom it works.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mlua::Lua;
use tokio::time::Instant;

use super::log::Log;
use super::plain::Plain;

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
#[derive(Debug)]
pub struct World {
    /// The script and what it was given.
    pub source: Source,
    /// When load began to be offered; set once by the engine, before any user runs.
    pub begin: OnceLock<Instant>,
    /// What `setup` returned; set once, before any worker's users run.
    pub setup: OnceLock<Plain>,
    /// What scripts wrote with `loadrun.log` and `print`.
    pub log: Log,
    /// Addresses of declared services by name; an address is set when its service is ready.
    services: Mutex<BTreeMap<String, Arc<OnceLock<String>>>>,
    /// Everything else that is shared, by type and name.
    kept: Mutex<HashMap<(TypeId, String), Kept>>,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(source: Source) -> Arc<Self> {
        Arc::new(Self {
            source,
            begin: OnceLock::new(),
            setup: OnceLock::new(),
            log: Log::default(),
            services: Mutex::default(),
            kept: Mutex::default(),
        })
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

    /// The address of service `name`, empty until the engine has started it.
    pub fn service_url(&self, name: &str) -> Arc<OnceLock<String>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(services.entry(name.to_owned()).or_default())
    }
}

/// What one Lua state has on the Rust side; in Lua's application data as `Rc<Context>`.
#[derive(Debug)]
pub struct Context {
    /// The run this state is part of.
    pub world: Arc<World>,
    /// Whose coroutine is being resumed; `None` while loading and in the control state.
    pub current: RefCell<Option<Rc<UserState>>>,
    /// True until the script has returned its table: the time in which things are declared.
    pub loading: Cell<bool>,
}

impl Context {
    /// The context of this Lua state.
    pub fn of(lua: &Lua) -> mlua::Result<Rc<Self>> {
        lua.app_data_ref::<Rc<Self>>()
            .map(|context| Rc::clone(&context))
            .ok_or_else(|| mlua::Error::runtime("this Lua state has no context"))
    }

    /// The user whose coroutine is being resumed.
    pub fn user(&self) -> Option<Rc<UserState>> {
        self.current.borrow().clone()
    }
}

/// What one user has besides its Lua values; the control state's `setup` has none.
#[derive(Debug)]
pub struct UserState {
    /// The user's number in its scenario, from 0.
    pub number: u64,
}
