//! Ids that count up: the numbers behind one prefix, and what is known of each.
//!
//! Until an id lands it has times that may be asked for (`open.rs`). Once it has landed only a few
//! flags of it matter any more, and many ids have the same: it moves to the set of those, which is
//! compressed. Nothing is forgotten by that: a copy that is seen later is still a copy.

use roaring::RoaringTreemap;

use super::fate::Fate;
use super::open::Open;

/// After so many new numbers, or a 64th of all in it, a set is compressed anew.
const COMPRESSED_EVERY: u64 = 1024;

/// The numbers behind one prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Those that have not landed.
    pub(super) open: Open,
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
        let open = self.open.find(number);
        let before = open.unwrap_or_else(|| self.of_landed(number));
        let mut fate = before;
        let given = change(&mut fate);
        match (before.landed(), fate.landed()) {
            (_, None) if fate == before => {}
            (_, None) => self.open.keep(number, fate),
            (Some(before), Some(now)) if before == now => {}
            (before, Some(now)) => {
                match before {
                    Some(before) => drop(self.set(before).numbers.remove(number)),
                    None if open.is_some() => self.open.forget(number),
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

    fn set(&mut self, flags: u8) -> &mut Landed {
        let known = self.landed.iter().position(|set| set.flags == flags);
        let at = known.unwrap_or(self.landed.len());
        if known.is_none() {
            let (numbers, room) = (RoaringTreemap::new(), COMPRESSED_EVERY);
            self.landed.push(Landed { flags, numbers, room });
        }
        &mut self.landed[at]
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
