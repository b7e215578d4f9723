//! Ids that count up: the numbers behind one prefix, and what is known of each.
//!
//! Until an id lands it has times that may be asked for, so it is kept as it is, beside its
//! neighbours. Once it has landed only a few flags of it matter any more, and many ids have the same:
//! it moves to the set of those, which is compressed. Nothing is forgotten by that: a copy that is
//! seen later is still a copy.

use std::collections::HashMap;

use roaring::RoaringTreemap;

use super::fate::Fate;

/// Consecutive numbers kept side by side until they land.
const BLOCK: usize = 8;

/// After so many new numbers, or a 64th of all in it, a set is compressed anew.
const COMPRESSED_EVERY: u64 = 1024;

/// The numbers behind one prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Those that have not landed, by the number of their block.
    pub(super) open: HashMap<u64, [Fate; BLOCK]>,
    /// Those that have, by what is known of them.
    pub(super) landed: Vec<Landed>,
}

/// Numbers of which the same is known.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    flags: u8,
    pub(super) numbers: RoaringTreemap,
    /// How many may come until it is compressed.
    room: u64,
}

impl Numbers {
    /// Changes what is known of a number: a blank page for a new one.
    pub(super) fn change<T>(&mut self, number: u64, change: impl FnOnce(&mut Fate) -> T) -> T {
        let (block, at) = place(number);
        let known = self.open.get(&block).map(|fates| fates[at]).filter(|fate| fate.is_known());
        let before = known.unwrap_or_else(|| self.of_landed(number));
        let mut fate = before;
        let given = change(&mut fate);
        match (before.landed(), fate.landed()) {
            (_, None) => self.open.entry(block).or_default()[at] = fate,
            (Some(before), Some(now)) if before == now => {}
            (before, Some(now)) => {
                match before {
                    Some(before) => drop(self.set(before).numbers.remove(number)),
                    None if known.is_some() => self.close(block, at),
                    None => {}
                }
                self.set(now).insert(number);
            }
        }
        given
    }

    /// What is known of a number that has landed; a blank page where none is.
    fn of_landed(&self, number: u64) -> Fate {
        let set = self.landed.iter().find(|set| set.numbers.contains(number));
        set.map(|set| Fate::of(set.flags)).unwrap_or_default()
    }

    /// Forgets a number that is not open any more, and its block with the last of it.
    fn close(&mut self, block: u64, at: usize) {
        if let Some(fates) = self.open.get_mut(&block) {
            fates[at] = Fate::default();
            if !fates.iter().any(|fate| fate.is_known()) {
                self.open.remove(&block);
            }
        }
    }

    fn set(&mut self, flags: u8) -> &mut Landed {
        let known = self.landed.iter().position(|set| set.flags == flags);
        let at = known.unwrap_or(self.landed.len());
        if known.is_none() {
            let (numbers, room) = (RoaringTreemap::new(), COMPRESSED_EVERY);
            self.landed.push(Landed { flags, numbers, room });
        }
        &mut self.landed[at]
    }

    /// Every number that has not landed.
    pub(super) fn open(&self) -> impl Iterator<Item = (u64, Fate)> {
        self.open.iter().flat_map(|(block, fates)| {
            let first = block * BLOCK as u64;
            let numbers = (first..=first + (BLOCK as u64 - 1)).zip(fates);
            numbers.map(|(number, fate)| (number, *fate)).filter(|(_, fate)| fate.is_known())
        })
    }

    /// What is known of those that have landed, and how many they are.
    pub(super) fn landed(&self) -> impl Iterator<Item = (Fate, u64)> {
        self.landed.iter().map(|set| (Fate::of(set.flags), set.numbers.len()))
    }
}

impl Landed {
    fn insert(&mut self, number: u64) {
        self.numbers.insert(number);
        self.room -= 1;
        if self.room == 0 {
            self.numbers.optimize();
            self.room = COMPRESSED_EVERY.max(self.numbers.len() / 64);
        }
    }
}

/// The block of a number, and its place there.
fn place(number: u64) -> (u64, usize) {
    (number / BLOCK as u64, number as usize % BLOCK)
}
