//! Numbers that have not landed: those something was said of lately as they are, a few side by side,
//! and all others packed in pages.
//!
//! An id that counts up is said to be sent, and soon answered, and then nothing more is said of it
//! until it lands. So what is recent is bounded, and packed when it has become too much. Numbers that
//! lie far apart would not get smaller by it and stay as they are.

use std::collections::HashMap;

use super::fate::Fate;
use super::page::{PAGE, Page};

/// Consecutive numbers kept side by side.
const BLOCK: usize = 8;

/// Blocks that are recent at least, before something is packed.
const RECENT: usize = 128;

/// Numbers of a page for which it is packed.
const MANY: usize = 64;

/// Numbers for which a page is not worth its place any more.
const FEW: usize = 8;

/// The numbers behind one prefix that have not landed.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// By the number of their block.
    recent: HashMap<u64, [Fate; BLOCK]>,
    /// By the number of their page; a number that is recent is in none.
    pages: HashMap<u64, Page>,
    /// How many blocks may be recent.
    room: usize,
}

impl Default for Open {
    fn default() -> Self {
        Self { recent: HashMap::default(), pages: HashMap::default(), room: RECENT }
    }
}

impl Open {
    /// What is known of a number, if it is one of these.
    pub(super) fn find(&self, number: u64) -> Option<Fate> {
        let (block, at) = place(number, BLOCK);
        let recent = self.recent.get(&block).map(|fates| fates[at]).filter(|fate| fate.is_known());
        let (page, at) = place(number, PAGE);
        let packed = || self.pages.get(&page).map(|page| page.read(at));
        recent.or_else(packed).filter(|fate| fate.is_known())
    }

    /// Keeps what is known of a number now.
    pub(super) fn keep(&mut self, number: u64, fate: Fate) {
        self.unpack(number);
        let (block, at) = place(number, BLOCK);
        self.recent.entry(block).or_default()[at] = fate;
        if self.recent.len() > self.room {
            self.pack();
        }
    }

    /// Forgets a number, and its block or page with the last of it.
    pub(super) fn forget(&mut self, number: u64) {
        self.unpack(number);
        let (block, at) = place(number, BLOCK);
        if let Some(fates) = self.recent.get_mut(&block) {
            fates[at] = Fate::default();
            if !fates.iter().any(|fate| fate.is_known()) {
                self.recent.remove(&block);
            }
        }
    }

    /// Every number, and what is known of it.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, Fate)> {
        let recent = self.recent.iter().flat_map(|(block, fates)| {
            let fates = fates.iter().copied().enumerate();
            numbered(*block, BLOCK, fates).filter(|(_, fate)| fate.is_known())
        });
        recent.chain(self.pages.iter().flat_map(|(page, rows)| numbered(*page, PAGE, rows.all())))
    }

    /// Takes a number from its page, and the rest of the page with it where that is little.
    fn unpack(&mut self, number: u64) {
        let (page, at) = place(number, PAGE);
        let Some(rows) = self.pages.get_mut(&page).filter(|rows| rows.read(at).is_known()) else {
            return;
        };
        rows.forget(at);
        if rows.known() >= FEW {
            return;
        }
        let rest = self.pages.remove(&page).into_iter();
        for (at, fate) in rest.flat_map(|rows| rows.all().collect::<Vec<_>>()) {
            let (block, at) = place(page * PAGE as u64 + at as u64, BLOCK);
            self.recent.entry(block).or_default()[at] = fate;
        }
    }

    /// Packs what is recent, as far as it gets smaller by that.
    fn pack(&mut self) {
        let mut pages: HashMap<u64, Vec<u64>> = HashMap::new();
        for block in self.recent.keys() {
            pages.entry(block / (PAGE / BLOCK) as u64).or_default().push(*block);
        }
        for (page, blocks) in pages {
            let known = blocks.iter().flat_map(|block| &self.recent[block]);
            let known = known.filter(|fate| fate.is_known()).count();
            if known >= MANY || self.pages.contains_key(&page) {
                self.pack_page(page, &blocks);
            }
        }
        self.room = RECENT.max(2 * self.recent.len());
        self.recent.shrink_to(self.room);
    }

    fn pack_page(&mut self, page: u64, blocks: &[u64]) {
        let mut fates = [Fate::default(); PAGE];
        for (at, fate) in self.pages.get(&page).into_iter().flat_map(Page::all) {
            fates[at] = fate;
        }
        for block in blocks {
            let first = *block as usize % (PAGE / BLOCK) * BLOCK;
            let recent = self.recent.remove(block).unwrap_or_default();
            for (fate, recent) in fates[first..].iter_mut().zip(recent) {
                if recent.is_known() {
                    *fate = recent;
                }
            }
        }
        self.pages.insert(page, Page::pack(&fates));
    }

    /// The memory it has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        use super::tests::table;
        table(&self.recent)
            + table(&self.pages)
            + self.pages.values().map(Page::kept).sum::<usize>()
    }
}

/// The numbers at some places of the block or page with that number.
fn numbered(
    which: u64,
    size: usize,
    places: impl Iterator<Item = (usize, Fate)>,
) -> impl Iterator<Item = (u64, Fate)> {
    places.map(move |(at, fate)| (which * size as u64 + at as u64, fate))
}

/// The block or page of that size in which a number is, and its place there.
fn place(number: u64, size: usize) -> (u64, usize) {
    (number / size as u64, number as usize % size)
}
