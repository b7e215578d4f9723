//! A Lua script that the server runs: its text goes over once, its hash from then on.

use std::cell::RefCell;

use super::request::Command;

/// A script by its text and its hash.
#[derive(Debug)]
pub struct Script {
    text: String,
    hash: String,
    /// The servers that were given the text ([`Client::home`](super::Client::home)).
    known: RefCell<Vec<usize>>,
}

impl Script {
    /// A script of this text.
    pub fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash, known: RefCell::default() }
    }

    /// The command that runs it, and what to call it: `EVAL` with the text, which the server keeps,
    /// as long as it is not known to have it; then `EVALSHA` with the hash. `home` is where it goes.
    pub fn command(&self, keys: usize, home: Option<usize>) -> (&'static str, Command) {
        let known = home.is_some_and(|home| self.known.borrow().contains(&home));
        let (word, script) = if known { ("EVALSHA", &self.hash) } else { ("EVAL", &self.text) };
        let mut command = Command::new(word);
        command.arg(script).arg(keys.to_string());
        (word, command)
    }

    /// The server has the text now.
    pub fn is_known(&self, home: Option<usize>) {
        let mut known = self.known.borrow_mut();
        if let Some(home) = home.filter(|home| !known.contains(home)) {
            known.push(home);
        }
    }

    /// A server has it no more.
    pub fn is_forgotten(&self) {
        self.known.borrow_mut().clear();
    }
}
