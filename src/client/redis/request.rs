//! What is sent: one command, or several that leave together and are answered together.

use std::time::Duration;

use redis::Cmd;

use super::value::Value;

/// One command: a word, or two, and its arguments.
#[derive(Clone, Debug, Default)]
pub struct Command(Cmd);

impl Command {
    /// A command of these words, such as `GET` or `SCRIPT LOAD`.
    pub fn new(words: &str) -> Self {
        let mut cmd = Cmd::new();
        for word in words.split(' ') {
            cmd.arg(word);
        }
        Self(cmd)
    }

    /// Adds an argument.
    pub fn arg(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.arg(bytes.as_ref());
        self
    }
}

/// How several commands belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// There is one.
    Single,
    /// Sent without waiting in between; each has its own reply.
    Pipeline,
    /// Done as one, or not at all.
    Transaction,
}

/// One call: what is sent at once, and answered at once.
#[derive(Clone, Debug)]
pub struct Request {
    commands: Vec<Command>,
    shape: Shape,
    /// Longest it may take, where that is not the client's own limit.
    pub timeout: Option<Duration>,
}

impl Request {
    /// One command.
    pub fn single(command: Command) -> Self {
        Self { commands: vec![command], shape: Shape::Single, timeout: None }
    }

    /// Commands that are sent together; the value is the list of their replies.
    pub fn pipeline(commands: Vec<Command>) -> Self {
        Self { commands, shape: Shape::Pipeline, timeout: None }
    }

    /// Commands that are done as one (`MULTI`, `EXEC`); the value is the list of their replies, or
    /// nil where a watched key was changed.
    pub fn transaction(commands: Vec<Command>) -> Self {
        Self { commands, shape: Shape::Transaction, timeout: None }
    }

    /// How many commands the script gave.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Replies that are to come.
    pub(super) fn replies(&self) -> usize {
        self.len() + if self.shape == Shape::Transaction { 2 } else { 0 }
    }

    /// Appends the bytes as they are sent.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let transaction = self.shape == Shape::Transaction;
        if transaction {
            out.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
        }
        for command in &self.commands {
            command.0.write_packed_command(out);
        }
        if transaction {
            out.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        }
    }

    /// The one value of all the replies.
    pub(super) fn value(&self, mut replies: Vec<Value>) -> Value {
        match self.shape {
            Shape::Pipeline => Value::List(replies),
            Shape::Single => replies.pop().unwrap_or(Value::Nil),
            Shape::Transaction => match replies.pop().unwrap_or(Value::Nil) {
                // It was given up for a command the server would not even queue: that one says why.
                aborted @ Value::Error(_) => {
                    let cause = replies.into_iter().find(|reply| reply.error().is_some());
                    cause.unwrap_or(aborted)
                }
                done => done,
            },
        }
    }
}
