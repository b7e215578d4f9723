//! Where in the script something stands.
//!
//! A Lua table does not remember the lines it was written on, and a message without a line makes
//! its reader search. So the text is cut into words once, and a key or an item of the returned
//! table is looked up where it is written: from the last `return {` down through the braces. What
//! is not written there literally, because code made it, is placed at the nearest key above it
//! that is. A wrong guess costs a line number, never correctness.

/// One word of Lua, as far as finding keys needs to tell words apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// A name or keyword.
    Name(String),
    /// A string literal, without escapes resolved.
    Text(String),
    /// One character of anything else.
    Mark(u8),
}

/// One step from a table to something in it.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The value under a name.
    Key(&'a str),
    /// The item at a position, from 1.
    Item(usize),
}

/// The words of a script with their lines.
#[derive(Debug)]
pub struct Locator {
    words: Vec<(Word, u32)>,
    /// Index of the word after the last `return` outside any function or block, or the end.
    returned: usize,
}

impl Locator {
    /// Cuts a script into words.
    pub fn new(text: &[u8]) -> Self {
        let words = words(text);
        let returned = returned(&words);
        Self { words, returned }
    }

    /// The line on which the end of this path through the returned table is written, or as far
    /// along it as can be followed.
    pub fn line(&self, path: &[Step<'_>]) -> u32 {
        let mut at = self.returned;
        let mut line = self.line_of(at.saturating_sub(1));
        for (depth, step) in path.iter().enumerate() {
            match self.entry(self.table(at), *step) {
                Some((entry, value)) => {
                    line = self.line_of(entry);
                    at = value;
                }
                None => return self.anywhere(&path[depth..]).unwrap_or(line),
            }
        }
        line
    }

    /// The line of the first string literal with this text.
    pub fn text(&self, text: &str) -> Option<u32> {
        let found = |(word, _): &&(Word, u32)| matches!(word, Word::Text(own) if own == text);
        self.words.iter().find(found).map(|(_, line)| *line)
    }

    /// The line of an option in the table that a call on this line is given.
    pub fn option(&self, line: u32, called: &str, key: &str) -> Option<u32> {
        let name = called.rsplit(['.', ':']).next()?;
        let first = self.words.iter().position(|(_, own)| *own >= line)?;
        let calls = |(word, own): &(Word, u32)| {
            *own == line && matches!(word, Word::Name(own) if own == name)
        };
        let named = self.words[first..].iter().position(calls)? + first;
        let mut at = named + 1;
        if self.words.get(at)?.0 == Word::Mark(b'(') {
            // One of the arguments.
            let opens = |word: &Word| matches!(word, Word::Mark(b'{' | b')' | b'('));
            at += 1 + self.words[at + 1..].iter().position(|(word, _)| opens(word))?;
        }
        self.entry(at, Step::Key(key)).map(|(entry, _)| self.line_of(entry))
    }

    /// Every string literal, with the key it is the whole value of, if it is one's.
    pub fn literals(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let word = |at: usize| self.words.get(at).map(|(word, _)| word);
        self.words.iter().enumerate().filter_map(move |(at, (literal, _))| {
            let Word::Text(text) = literal else { return None };
            let before = |back: usize| at.checked_sub(back).and_then(word);
            let key = match (before(3), before(2), before(1), word(at + 1)) {
                // A part of a longer text, or compared with one.
                (.., Some(Word::Mark(b'.'))) => None,
                (_, Some(Word::Name(key)), Some(Word::Mark(b'=')), _) => Some(key.as_str()),
                (Some(Word::Text(key)), Some(Word::Mark(b']')), Some(Word::Mark(b'=')), _) => {
                    Some(key.as_str())
                }
                _ => None,
            };
            Some((key, text.as_str()))
        })
    }

    /// For what is not where the path leads: the first place where the key is given a value.
    fn anywhere(&self, rest: &[Step<'_>]) -> Option<u32> {
        let Some(Step::Key(name)) = rest.last() else {
            return None;
        };
        let pairs = self.words.windows(2);
        let found = pairs.into_iter().find(|pair| {
            matches!(&pair[0].0, Word::Name(own) if own == name) && pair[1].0 == Word::Mark(b'=')
        });
        found.map(|pair| pair[0].1)
    }

    /// The table constructor a value stands for: itself, or what the local of that name was set to.
    fn table(&self, at: usize) -> usize {
        match self.words.get(at) {
            Some((Word::Name(name), _)) => {
                let given = |pair: &[(Word, u32)]| {
                    pair[0].0 == Word::Name(name.clone())
                        && pair[1].0 == Word::Mark(b'=')
                        && pair[2].0 == Word::Mark(b'{')
                };
                let found = self.words[..at].windows(3).rposition(given);
                found.map_or(at, |index| index + 2)
            }
            _ => at,
        }
    }

    /// In the constructor that opens at `open`: where an entry begins, and where its value does.
    fn entry(&self, open: usize, step: Step<'_>) -> Option<(usize, usize)> {
        if self.words.get(open)?.0 != Word::Mark(b'{') {
            return None;
        }
        let (mut at, mut position) = (open + 1, 0);
        while at < self.words.len() && self.words[at].0 != Word::Mark(b'}') {
            let (key, value) = self.head(at);
            if key.is_none() {
                position += 1;
            }
            let found = match step {
                Step::Key(name) => key == Some(name),
                Step::Item(number) => key.is_none() && position == number,
            };
            if found {
                return Some((at, value));
            }
            at = self.past(value);
        }
        None
    }

    /// The key of the entry that begins at `at`, if it is a literal, and where its value begins.
    fn head(&self, at: usize) -> (Option<&str>, usize) {
        let word = |offset: usize| self.words.get(at + offset).map(|(word, _)| word);
        match (word(0), word(1), word(2), word(3)) {
            (Some(Word::Name(name)), Some(Word::Mark(b'=')), next, _)
                if next != Some(&Word::Mark(b'=')) =>
            {
                (Some(name), at + 2)
            }
            (
                Some(Word::Mark(b'[')),
                Some(Word::Text(name)),
                Some(Word::Mark(b']')),
                Some(Word::Mark(b'=')),
            ) => (Some(name), at + 4),
            _ => (None, at),
        }
    }

    /// The word after the entry whose value begins at `at` and after its separator.
    fn past(&self, mut at: usize) -> usize {
        let mut depth = 0usize;
        while let Some((word, _)) = self.words.get(at) {
            match word {
                Word::Mark(b'{' | b'(' | b'[') => depth += 1,
                Word::Mark(b'}') if depth == 0 => return at,
                Word::Mark(b'}' | b')' | b']') => depth = depth.saturating_sub(1),
                Word::Mark(b',' | b';') if depth == 0 => return at + 1,
                // A function's body has commas and semicolons of its own.
                Word::Name(name) if opens_block(name) => depth += 1,
                Word::Name(name) if name == "end" || name == "until" => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    fn line_of(&self, at: usize) -> u32 {
        self.words.get(at).or(self.words.last()).map_or(1, |(_, line)| *line)
    }
}

/// Index of the word after the last `return` that is in no function, block or table; the end where
/// there is none.
fn returned(words: &[(Word, u32)]) -> usize {
    let (mut depth, mut found) = (0usize, words.len());
    for (at, (word, _)) in words.iter().enumerate() {
        match word {
            Word::Name(name) if name == "return" && depth == 0 => found = at + 1,
            Word::Name(name) if opens_block(name) => depth += 1,
            Word::Name(name) if name == "end" || name == "until" => depth = depth.saturating_sub(1),
            Word::Mark(b'{' | b'(') => depth += 1,
            Word::Mark(b'}' | b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// Does this keyword open a block that `end` or `until` closes?
fn opens_block(name: &str) -> bool {
    // `for` and `while` are followed by the `do` that is counted.
    matches!(name, "function" | "if" | "do" | "repeat")
}

/// Cuts Lua into words; comments and spaces are dropped.
fn words(text: &[u8]) -> Vec<(Word, u32)> {
    let mut cutter = Cutter { text, at: 0, line: 1, words: Vec::new() };
    while cutter.at < text.len() {
        cutter.word();
    }
    cutter.words
}

struct Cutter<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    words: Vec<(Word, u32)>,
}

impl Cutter<'_> {
    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let line = self.line;
        match rest[0] {
            b'-' if rest.starts_with(b"--") => {
                self.at += 2;
                let rest = &self.text[self.at..];
                let line = || rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                self.skip(long_bracket(rest).map_or_else(line, |(_, length)| length));
            }
            b'[' if long_bracket(rest).is_some() => {
                if let Some((text, length)) = long_bracket(rest) {
                    self.words.push((Word::Text(text), line));
                    self.skip(length);
                }
            }
            quote @ (b'"' | b'\'') => {
                let length = quoted(rest, quote);
                let inner = &rest[1..length.saturating_sub(1).max(1)];
                self.words.push((Word::Text(String::from_utf8_lossy(inner).into_owned()), line));
                self.skip(length);
            }
            first if first.is_ascii_alphabetic() || first == b'_' => {
                let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
                let length = rest.iter().take_while(|b| is_name(b)).count();
                let name = String::from_utf8_lossy(&rest[..length]).into_owned();
                self.words.push((Word::Name(name), line));
                self.at += length;
            }
            space if space.is_ascii_whitespace() => self.skip(1),
            mark => {
                self.words.push((Word::Mark(mark), line));
                self.at += 1;
            }
        }
    }

    /// Goes on by `length` bytes, counting lines.
    fn skip(&mut self, length: usize) {
        let end = (self.at + length).min(self.text.len());
        for byte in &self.text[self.at..end] {
            self.line += u32::from(*byte == b'\n');
        }
        self.at = end;
    }
}

/// The length of a quoted string, quotes included.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote && rest[at] != b'\n' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `[[...]]` or `[=[...]=]` at the beginning: its text and whole length.
fn long_bracket(rest: &[u8]) -> Option<(String, usize)> {
    let level = rest.get(1..)?.iter().take_while(|b| **b == b'=').count();
    if rest[0] != b'[' || rest.get(level + 1) != Some(&b'[') {
        return None;
    }
    let open = level + 2;
    let close = [b"]", "=".repeat(level).as_bytes(), b"]"].concat();
    let inner = rest[open..].windows(close.len()).position(|window| window == close)?;
    let text = String::from_utf8_lossy(&rest[open..open + inner]).into_owned();
    Some((text, open + inner + close.len()))
}

#[cfg(test)]
mod tests {
    use super::Step::{Item, Key};
    use super::*;

    const SCRIPT: &[u8] = br#"local x = { rate = 1 } -- return {
local function run(vu)
  local t = { a, b; c }
  return t
end
return {
  scenarios = {
    buy = { run = function(vu) if x then return 1, 2 end end,
            rate = 5 },
    ["read only"] = {
      run = run,
      users = { { to = 1,
                  over = "x" }, { hold = "1m" } },
    },
  },
  thresholds = {
    "a < 1",
    [[b < 2]],
  },
}
"#;

    #[test]
    fn keys_and_items_of_the_returned_table_are_found() {
        let locator = Locator::new(SCRIPT);
        for (path, line) in [
            (vec![], 6),
            (vec![Key("scenarios")], 7),
            (vec![Key("scenarios"), Key("buy"), Key("rate")], 9),
            (vec![Key("scenarios"), Key("read only")], 10),
            (vec![Key("scenarios"), Key("read only"), Key("users"), Item(1), Key("over")], 13),
            (vec![Key("scenarios"), Key("read only"), Key("users"), Item(2)], 13),
            (vec![Key("thresholds"), Item(2)], 18),
            (vec![Key("scenarios"), Key("buy"), Key("missing")], 8),
        ] {
            assert_eq!(locator.line(&path), line, "{path:?}");
        }
        assert_eq!(locator.text("b < 2"), Some(18));
    }

    #[test]
    fn a_table_kept_in_a_local_is_followed() {
        let locator = Locator::new(b"local s = {\n a = {\n  b = 1 } }\nreturn { scenarios = s }");
        assert_eq!(locator.line(&[Key("scenarios"), Key("a"), Key("b")]), 3);
    }

    #[test]
    fn an_option_is_found_in_the_table_of_its_call() {
        let locator = Locator::new(
            b"local a, b = f { x = 1 }, m.g {\n  y = 2,\n  z = { y = 3 },\n}\n\
              local c = m.h(\"text\", {\n  y = 4,\n})\nlocal d = m.h(5)\nlocal e = { y = 6 }",
        );
        for (line, called, key, found) in [
            (1, "m.f", "x", Some(1)),
            (1, "m.g", "y", Some(2)),
            (1, "m.g", "z", Some(3)),
            (1, "m.g", "x", None),
            (5, "m.h", "y", Some(6)),
            (8, "m.h", "y", None),
            (9, "m.h", "y", None),
            (99, "m.h", "y", None),
        ] {
            assert_eq!(locator.option(line, called, key), found, "{line} {called} {key}");
        }
    }

    #[test]
    fn any_bytes_can_be_cut() {
        for text in [&b"return {"[..], b"\"", b"[==[", b"--[[", b"\\", b"return", b"", b"[", b"'\\"]
        {
            Locator::new(text).line(&[Key("a"), Item(1)]);
        }
    }
}
