//! A Lua state with one module, for the tests of that module.

use std::sync::Arc;

use mlua::{Lua, Value};

use crate::script::context::{Context, World};
