//! Lua's patterns, with an end to every search.
//!
//! Lua's own matcher runs in C, where the watch over stalls sees nothing, and a pattern that
//! backtracks (`.-.-.-x` on a long page) can keep it there for days. This one finds the same, and
//! calls its watch once in a while, by the work it did: a comparison, a byte looked at.

mod class;

use mlua::Error;

use class::Class;

/// Most captures of one pattern.
const CAPTURES: usize = 32;
/// Deepest nesting of choices, as in Lua.
const DEPTH: u32 = 200;
/// Work between two calls of the watch; well under a millisecond.
const WATCH_EVERY: usize = 1 << 16;

/// Why a search ended without an answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The pattern is wrong: how.
    Malformed(&'static str),
    /// The watch ended it.
    Stopped(Error),
}

/// The end of what was found, or nothing.
type Found = Result<Option<usize>, Fault>;

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The bytes from the first to before the second.
    Text(usize, usize),
    /// `()`: a place, counted from 0.
    Place(usize),
}

/// How far a capture has come.
#[derive(Clone, Copy)]
enum Extent {
    Open,
    Place,
    Until(usize),
}

/// One search of a subject for a pattern.
pub(super) struct Matcher<'a> {
    subject: &'a [u8],
    /// Without the anchor.
    pattern: &'a [u8],
    anchored: bool,
    captures: [(usize, Extent); CAPTURES],
    level: usize,
    depth: u32,
    work: usize,
    watch: &'a dyn Fn() -> mlua::Result<()>,
}

impl<'a> Matcher<'a> {
    /// A search in which a leading `^` is an anchor.
    pub(super) fn new(
        subject: &'a [u8],
        pattern: &'a [u8],
        watch: &'a dyn Fn() -> mlua::Result<()>,
    ) -> Self {
        let (anchored, pattern) = match pattern.strip_prefix(b"^") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        Self { anchored, ..Self::unanchored(subject, pattern, watch) }
    }

    /// A search in which a leading `^` stands for itself, as in `gmatch`.
    pub(super) fn unanchored(
        subject: &'a [u8],
        pattern: &'a [u8],
        watch: &'a dyn Fn() -> mlua::Result<()>,
    ) -> Self {
        let captures = [(0, Extent::Open); CAPTURES];
        Self { subject, pattern, anchored: false, captures, level: 0, depth: DEPTH, work: 0, watch }
    }

    /// Whether the pattern begins with an anchor.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// The first match from `start` on: where it begins and ends.
    pub(super) fn find(&mut self, start: usize) -> Result<Option<(usize, usize)>, Fault> {
        let last = if self.anchored { start } else { self.subject.len() };
        for at in start..=last {
            if let Some(end) = self.at(at)? {
                return Ok(Some((at, end)));
            }
        }
        Ok(None)
    }

    /// The end of a match that begins exactly at `start`.
    pub(super) fn at(&mut self, start: usize) -> Found {
        (self.level, self.depth) = (0, DEPTH);
        self.run(start, 0)
    }

    /// Where a text lies from `start` on, without anything special in it.
    pub(super) fn plain(&mut self, start: usize) -> Result<Option<usize>, Fault> {
        let (wanted, mut at) = (self.pattern, start);
        let Some(first) = wanted.first() else {
            return Ok(Some(start));
        };
        while at + wanted.len() <= self.subject.len() {
            let rest = &self.subject[at..];
            let skipped = rest.iter().position(|byte| byte == first).unwrap_or(rest.len());
            at += skipped;
            let same = self.subject[at..].iter().zip(wanted).take_while(|(a, b)| a == b).count();
            if same == wanted.len() {
                return Ok(Some(at));
            }
            self.spend(skipped + same + 1)?;
            at += 1;
        }
        Ok(None)
    }

    /// How many values a match gives; the whole match when there are no captures.
    pub(super) fn count(&self) -> usize {
        self.level.max(1)
    }

    /// How many captures there are.
    pub(super) fn captured(&self) -> usize {
        self.level
    }

    /// Value `index` (from 0) of the match that begins and ends here.
    pub(super) fn piece(&self, index: usize, start: usize, end: usize) -> Result<Piece, Fault> {
        if index >= self.level {
            return match index {
                0 => Ok(Piece::Text(start, end)),
                _ => Err(Fault::Malformed("a capture in the replacement that does not exist")),
            };
        }
        match self.captures[index] {
            (start, Extent::Until(end)) => Ok(Piece::Text(start, end)),
            (place, Extent::Place) => Ok(Piece::Place(place)),
            (_, Extent::Open) => Err(Fault::Malformed("unfinished capture")),
        }
    }

    fn spend(&mut self, work: usize) -> Result<(), Fault> {
        self.work += work;
        if self.work >= WATCH_EVERY {
            self.work = 0;
            (self.watch)().map_err(Fault::Stopped)?;
        }
        Ok(())
    }

    /// The rest of the pattern from `p` on against the subject from `s` on.
    fn run(&mut self, s: usize, p: usize) -> Found {
        if self.depth == 0 {
            return Err(Fault::Malformed("pattern too complex"));
        }
        self.spend(1)?;
        self.depth -= 1;
        let found = self.items(s, p);
        self.depth += 1;
        found
    }

    fn items(&mut self, mut s: usize, mut p: usize) -> Found {
        loop {
            let next = self.byte(p + 1);
            match self.byte(p) {
                None => return Ok(Some(s)),
                Some(b'(') => return self.open(s, p + 1),
                Some(b')') => return self.close(s, p + 1),
                Some(b'$') if next.is_none() => {
                    return Ok((s == self.subject.len()).then_some(s));
                }
                Some(b'%') if next == Some(b'b') => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                Some(b'%') if next == Some(b'f') => match self.frontier(s, p + 2)? {
                    Some(end) => p = end,
                    None => return Ok(None),
                },
                Some(b'%') if next.is_some_and(|next| next.is_ascii_digit()) => {
                    match self.repeated(s, p + 1)? {
                        Some(end) => (s, p) = (end, p + 2),
                        None => return Ok(None),
                    }
                }
                Some(_) => match self.single(s, p)? {
                    Single::Goes(on_s, on_p) => (s, p) = (on_s, on_p),
                    Single::Ended(found) => return Ok(found),
                },
            }
        }
    }

    /// One class with what follows it.
    fn single(&mut self, s: usize, p: usize) -> Result<Single, Fault> {
        let class = self.class(p)?;
        let (end, fits) = (p + class.len(), self.fits(s, class));
        Ok(match (self.byte(end), fits) {
            (Some(b'?'), true) => match self.run(s + 1, end + 1)? {
                Some(found) => Single::Ended(Some(found)),
                None => Single::Goes(s, end + 1),
            },
            (Some(b'?' | b'*' | b'-'), false) => Single::Goes(s, end + 1),
            (Some(b'+'), true) => Single::Ended(self.greedy(s + 1, class, end)?),
            (Some(b'*'), true) => Single::Ended(self.greedy(s, class, end)?),
            (Some(b'-'), true) => Single::Ended(self.lazy(s, class, end)?),
            (_, true) => Single::Goes(s + 1, end),
            (_, false) => Single::Ended(None),
        })
    }

    /// As many of a class as there are, then fewer.
    fn greedy(&mut self, s: usize, class: Class, end: usize) -> Found {
        let mut most = s;
        while self.fits(most, class) {
            most += 1;
            self.spend(class.len())?;
        }
        for at in (s..=most).rev() {
            if let Some(found) = self.run(at, end + 1)? {
                return Ok(Some(found));
            }
            self.spend(1)?;
        }
        Ok(None)
    }

    /// As few of a class as will do.
    fn lazy(&mut self, mut s: usize, class: Class, end: usize) -> Found {
        loop {
            if let Some(found) = self.run(s, end + 1)? {
                return Ok(Some(found));
            }
            self.spend(class.len())?;
            if !self.fits(s, class) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize) -> Found {
        if self.level == CAPTURES {
            return Err(Fault::Malformed("too many captures"));
        }
        let (extent, p) = match self.byte(p) {
            Some(b')') => (Extent::Place, p + 1),
            _ => (Extent::Open, p),
        };
        self.captures[self.level] = (s, extent);
        self.level += 1;
        let found = self.run(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Found {
        let open = |(_, extent): &(usize, Extent)| matches!(extent, Extent::Open);
        let Some(index) = self.captures[..self.level].iter().rposition(open) else {
            return Err(Fault::Malformed("invalid pattern capture"));
        };
        self.captures[index].1 = Extent::Until(s);
        let found = self.run(s, p)?;
        if found.is_none() {
            self.captures[index].1 = Extent::Open;
        }
        Ok(found)
    }

    /// `%bxy`, its two bytes at `p`.
    fn balanced(&mut self, s: usize, p: usize) -> Found {
        let (Some(opens), Some(closes)) = (self.byte(p), self.byte(p + 1)) else {
            return Err(Fault::Malformed("malformed pattern (missing arguments to '%b')"));
        };
        if self.subject.get(s) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1;
        let mut end = None;
        for (at, byte) in self.subject.iter().enumerate().skip(s + 1) {
            if *byte == closes {
                depth -= 1;
                if depth == 0 {
                    end = Some(at + 1);
                    break;
                }
            } else if *byte == opens {
                depth += 1;
            }
        }
        self.spend(end.unwrap_or(self.subject.len()) - s)?;
        Ok(end)
    }

    /// `%f[set]`, the set at `p`: the end of the set where the subject enters it.
    fn frontier(&mut self, s: usize, p: usize) -> Found {
        if self.byte(p) != Some(b'[') {
            return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
        }
        let set = self.class(p)?;
        let before = if s == 0 { 0 } else { self.subject[s - 1] };
        let here = self.subject.get(s).copied().unwrap_or(0);
        Ok((!set.has(before) && set.has(here)).then_some(p + set.len()))
    }

    /// `%1`, its digit at `p`: the text of a capture once more.
    fn repeated(&mut self, s: usize, p: usize) -> Found {
        let index = self.pattern[p].wrapping_sub(b'1') as usize;
        if index >= self.level {
            return Err(Fault::Malformed("invalid capture index in pattern"));
        }
        match self.captures[index] {
            (_, Extent::Open) => Err(Fault::Malformed("invalid capture index in pattern")),
            // As in Lua, where a place is as long as nothing can be.
            (_, Extent::Place) => Ok(None),
            (start, Extent::Until(end)) => {
                let (subject, length) = (self.subject, end - start);
                self.spend(length)?;
                Ok(subject[s..].starts_with(&subject[start..end]).then_some(s + length))
            }
        }
    }

    /// The class at `p`.
    fn class(&mut self, p: usize) -> Result<Class<'a>, Fault> {
        let class = Class::first(&self.pattern[p..]).map_err(Fault::Malformed)?;
        self.spend(class.len())?;
        Ok(class)
    }

    /// Is there a byte of the class at `s`?
    fn fits(&self, s: usize, class: Class) -> bool {
        self.subject.get(s).is_some_and(|byte| class.has(*byte))
    }

    fn byte(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
    }
}

/// What a single class came to.
enum Single {
    /// The search goes on from here in the subject and in the pattern.
    Goes(usize, usize),
    Ended(Option<usize>),
}

/// Has the pattern anything in it that does not stand for itself?
pub(super) fn is_special(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}
