//! A map seen by all workers.
//!
//! `update` computes the new value in Lua without holding the lock: when another worker was
//! faster it is computed again from the newer value, so no change is ever lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::super::plain::Plain;

/// Keys with values, both plain.
#[derive(Debug, Default)]
pub struct Map(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// The entries, each with the number of the change that wrote it.
    entries: BTreeMap<Plain, (u64, Plain)>,
    /// Changes so far.
    changes: u64,
}

impl Map {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value under a key; nil when there is none.
    pub fn get(&self, key: &Plain) -> Plain {
        self.held().entries.get(key).map_or(Plain::Nil, |(_, value)| value.clone())
    }

    /// Sets the value under a key; nil takes the key away.
    pub fn set(&self, key: Plain, value: Plain) {
        self.held().set(key, value);
    }

    /// Takes a key away; whether it was there.
    pub fn delete(&self, key: &Plain) -> bool {
        self.held().entries.remove(key).is_some()
    }

    /// Replaces the value under a key by what `change` makes of it, and returns the new value.
    pub fn update<E>(
        &self,
        key: &Plain,
        change: impl Fn(&Plain) -> Result<Plain, E>,
    ) -> Result<Plain, E> {
        loop {
            let (seen, old) = self.held().entries.get(key).cloned().unwrap_or((0, Plain::Nil));
            let new = change(&old)?;
            let mut held = self.held();
            if held.entries.get(key).map_or(0, |(change, _)| *change) == seen {
                held.set(key.clone(), new.clone());
                return Ok(new);
            }
        }
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Vec<Plain> {
        self.held().entries.keys().cloned().collect()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.held().entries.len()
    }
}

impl Held {
    fn set(&mut self, key: Plain, value: Plain) {
        self.changes += 1;
        match value {
            Plain::Nil => drop(self.entries.remove(&key)),
            value => drop(self.entries.insert(key, (self.changes, value))),
        }
    }
}
