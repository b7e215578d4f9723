//! What is known of consecutive numbers, packed: of each a row of as few bits as the page needs.
//!
//! Nothing is rounded. Neighbours are sent at about the same time and answered about as fast, so the
//! time since the first of them, and that to the answer, are small numbers: with a thousand ids a
//! second and answers within 60 ms a row takes 16 bits. A row can be read, and forgotten, where it
//! stands; one of which more becomes known has to leave.

use super::fate::Fate;

/// Consecutive numbers on a page.
pub(super) const PAGE: usize = 256;

/// Rows for so many numbers, those that are not known included.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// When the first of them was sent.
    since: u32,
    /// Bits a row has for flags, for the time sent and for the time to the answer.
    widths: [u8; 3],
    /// How many are known.
    known: u16,
    rows: Box<[u64]>,
}

impl Page {
    /// Packs what is known of the numbers of a page.
    pub(super) fn pack(fates: &[Fate; PAGE]) -> Self {
        let known = || fates.iter().filter(|fate| fate.is_known());
        let since = known().map(|fate| fate.sent).min().unwrap_or_default();
        let parts = |fate: &Fate| {
            let [flags, sent, answered] = [fate.flags.into(), fate.sent, fate.answered.into()];
            [flags, sent - since, answered]
        };
        let widest = known().map(parts).fold([0; 3], |all, row| [0, 1, 2].map(|n| all[n] | row[n]));
        let widths = widest.map(|most| (u32::BITS - most.leading_zeros()) as u8);
        let width: usize = widths.into_iter().map(usize::from).sum();
        let rows = vec![0; PAGE * width / 64].into();
        let mut page = Self { since, widths, known: known().count() as u16, rows };
        for (at, fate) in fates.iter().enumerate().filter(|(_, fate)| fate.is_known()) {
            let [flags, sent, answered] = parts(fate).map(u64::from);
            let [of_flags, of_sent, _] = page.widths;
            page.write(at, flags | (sent | answered << of_sent) << of_flags);
        }
        page
    }

    /// How many are known.
    pub(super) fn known(&self) -> usize {
        self.known.into()
    }

    /// What is known of the number at this place; a blank page where nothing is.
    pub(super) fn read(&self, at: usize) -> Fate {
        let mut row = self.row(at);
        let [flags, sent, answered] = self.widths.map(|width| {
            let part = row & mask(width);
            row >>= width;
            part
        });
        if flags == 0 {
            return Fate::default();
        }
        let sent = self.since + sent as u32;
        Fate { flags: flags as u8, answered: answered as u16, sent }
    }

    /// Forgets the number at this place, which is known.
    pub(super) fn forget(&mut self, at: usize) {
        self.write(at, 0);
        self.known -= 1;
    }

    /// All that are known, with their places.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, Fate)> {
        (0..PAGE).map(|at| (at, self.read(at))).filter(|(_, fate)| fate.is_known())
    }

    fn row(&self, at: usize) -> u64 {
        let (word, shift, width) = self.place(at);
        (self.pair(word) >> shift) as u64 & mask(width)
    }

    fn write(&mut self, at: usize, row: u64) {
        let (word, shift, width) = self.place(at);
        let pair = self.pair(word) & !(u128::from(mask(width)) << shift);
        let pair = pair | u128::from(row) << shift;
        self.rows[word] = pair as u64;
        if let Some(next) = self.rows.get_mut(word + 1) {
            *next = (pair >> 64) as u64;
        }
    }

    /// The word in which a row begins, the bit it begins with, and its width.
    fn place(&self, at: usize) -> (usize, u32, u8) {
        let width = self.widths.iter().sum::<u8>();
        let bit = at * usize::from(width);
        (bit / 64, (bit % 64) as u32, width)
    }

    /// Two words, as far as there are any: a row may begin in one and end in the other.
    fn pair(&self, word: usize) -> u128 {
        let [this, next] =
            [word, word + 1].map(|at| self.rows.get(at).copied().unwrap_or_default());
        u128::from(this) | u128::from(next) << 64
    }

    /// The memory it has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        // What an allocator adds.
        size_of_val(&*self.rows) + 16
    }
}

fn mask(width: u8) -> u64 {
    (1 << width) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything that may be known of an id that has not landed, or nothing.
    fn fate() -> impl Strategy<Value = Fate> {
        let known = (1..16_u8, any::<u16>(), any::<u32>());
        let near = (1..4_u8, 0..50_u16, 70_000..70_999_u32);
        let of = |(flags, answered, sent)| Fate { flags, answered, sent };
        prop_oneof![Just(Fate::default()), known.prop_map(of), near.prop_map(of)]
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_as_it_was_until_it_is_forgotten(
            some in prop::collection::vec((0..PAGE, fate()), 1..300),
            forgotten in prop::collection::vec(0..PAGE, 0..300),
        ) {
            let mut fates = [Fate::default(); PAGE];
            for (at, fate) in some {
                fates[at] = fate;
            }
            let mut page = Page::pack(&fates);
            for at in forgotten {
                if fates[at].is_known() {
                    page.forget(at);
                    fates[at] = Fate::default();
                }
            }
            for (at, fate) in fates.iter().enumerate() {
                prop_assert_eq!(page.read(at), *fate);
            }
            prop_assert_eq!(page.all().count(), page.known());
        }
    }

    #[test]
    fn a_row_is_as_wide_as_the_page_needs() {
        let mut fates = [Fate::default(); PAGE];
        for (at, fate) in fates.iter_mut().enumerate() {
            *fate = Fate { flags: 3, answered: 50, sent: 1_000_000 + at as u32 };
        }
        assert_eq!(Page::pack(&fates).widths, [2, 8, 6]);
        assert_eq!(Page::pack(&fates).rows.len() * 8, 2 * PAGE);
    }
}
