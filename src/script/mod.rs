//! Lua: the only room that knows mlua.
//!
//! A script is loaded once into the **control state** ([`load`]), which gives the plan and later
//! runs `setup` and `teardown`; and once into the state of each worker, which runs its users.
//! States share nothing but the [`World`].

pub mod api;
mod call;
mod context;
mod log;
mod options;
pub mod plain;
mod traceback;

pub use context::{Context, Source, UserState, World};
pub use log::{Level, Line, Log};
pub use plain::{Plain, PlainError};
