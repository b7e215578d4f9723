//! Systems whose processes cannot be looked at: everything is none. `make elsewhere` compiles it.

use std::collections::BTreeMap;

use super::{Memory, Processors, Stat, Traffic};

pub(super) fn parents() -> Vec<(u32, u32)> {
    Vec::new()
}

pub(super) fn stat(_: u32) -> Option<Stat> {
    None
}

pub(super) fn memory(_: u32) -> Option<Memory> {
    None
}

pub(super) fn disk(_: u32) -> Option<Traffic> {
    None
}

/// What the processors of this machine did since it began.
pub fn processors() -> Option<Processors> {
    None
}

/// What went through each network interface.
pub fn interfaces() -> BTreeMap<String, Traffic> {
    BTreeMap::new()
}
