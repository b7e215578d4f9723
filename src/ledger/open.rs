//! Numbers of which each has times of its own, a few neighbours side by side.

use std::collections::HashMap;

use super::fate::Fate;

/// Consecutive numbers kept side by side.
pub(super) const BLOCK: usize = 32;

/// Numbers that have not landed, by the number of their block.
#[derive(Debug, Default)]
pub(super) struct Open(HashMap<u64, Block>);

/// Numbers that follow one another.
#[derive(Debug, Default)]
struct Block {
    /// When the last of them was sent. Here, so that the oldest are found without looking into each.
    newest: u32,
    fates: Box<[Fate; BLOCK]>,
}

impl Open {
    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.0.len()
    }

    /// What is known of a number, if it is one of these.
    pub(super) fn find(&mut self, number: u64) -> Option<&mut Fate> {
        let (block, at) = place(number);
        self.0.get_mut(&block).map(|block| &mut block.fates[at]).filter(|fate| fate.is_known())
    }

    /// Keeps what is known of a new number.
    pub(super) fn keep(&mut self, number: u64, fate: Fate) {
        let (block, at) = place(number);
        let block = self.0.entry(block).or_default();
        block.newest = block.newest.max(fate.sent);
        block.fates[at] = fate;
    }

    /// Forgets a number, and its block with the last of it.
    pub(super) fn forget(&mut self, number: u64) {
        let (block, at) = place(number);
        if let Some(Block { fates, .. }) = self.0.get_mut(&block) {
            fates[at] = Fate::default();
            // Most land in order: what follows is most likely to be there still.
            if !fates[at..].iter().chain(&fates[..at]).any(|fate| fate.is_known()) {
                self.0.remove(&block);
            }
        }
    }

    /// Every number, and what is known of it.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, Fate)> {
        self.0.iter().flat_map(|(number, block)| known(*number, *block.fates))
    }

    /// Takes out so many blocks: those in which nothing was sent for longest. Gives what is known of
    /// their numbers, in order.
    pub(super) fn take_oldest(&mut self, blocks: usize) -> impl Iterator<Item = (u64, Fate)> {
        let mut old: Vec<_> =
            self.0.iter().map(|(number, block)| (block.newest, *number)).collect();
        if blocks < old.len() {
            old.select_nth_unstable(blocks);
            old.truncate(blocks);
        }
        let mut old: Vec<_> = old.into_iter().map(|(_, number)| number).collect();
        old.sort_unstable();
        let taken = old.into_iter().filter_map(|number| Some((number, self.0.remove(&number)?)));
        taken.flat_map(|(number, block)| known(number, *block.fates))
    }

    /// The memory it has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        // A block with what an allocator adds.
        super::tests::table(&self.0) + self.0.len() * (size_of::<[Fate; BLOCK]>() + 16)
    }
}

/// The numbers of a block of which something is known.
fn known(block: u64, fates: [Fate; BLOCK]) -> impl Iterator<Item = (u64, Fate)> {
    let numbers = block * BLOCK as u64..;
    numbers.zip(fates).filter(|(_, fate)| fate.is_known())
}

/// The block of a number, and its place there.
fn place(number: u64) -> (u64, usize) {
    (number / BLOCK as u64, number as usize % BLOCK)
}
