//! A Lua script that the server runs: its text goes over once, its hash from then on.

use std::cell::Cell;

use super::request::Command;

/// A script by its text and its hash.
#[derive(Debug)]
pub struct Script {
    text: String,
    hash: String,
    /// Whether the server was given the text.
    known: Cell<bool>,
}

impl Script {
    /// A script of this text.
    pub fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash, known: Cell::new(false) }
    }

    /// The command that runs it, and what to call it: `EVAL` with the text, which the server keeps,
    /// as long as it is not known to have it; then `EVALSHA` with the hash.
    pub fn command(&self, keys: usize) -> (&'static str, Command) {
        let (word, script) =
            if self.known.get() { ("EVALSHA", &self.hash) } else { ("EVAL", &self.text) };
        let mut command = Command::new(word);
        command.arg(script).arg(keys.to_string());
        (word, command)
    }

    /// The server has the text now, or has it no more.
    pub fn is_known(&self, known: bool) {
        self.known.set(known);
    }
}
