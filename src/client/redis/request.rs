//! What is sent: one command, or several that leave together and are answered together.

use std::time::Duration;

use redis::cluster_routing::{Route, SlotAddr};
use redis::{Arg, Cmd};

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

    /// Where its key leads to in a cluster, if it has one.
    fn route(&self) -> Option<Route> {
        let mut args = self.0.args_iter().map(|arg| match arg {
            Arg::Simple(bytes) => bytes,
            _ => b"",
        });
        let word = args.next()?.to_ascii_uppercase();
        let key = match word.as_slice() {
            b"ACL" | b"CLIENT" | b"CLUSTER" | b"COMMAND" | b"CONFIG" | b"DBSIZE" | b"ECHO"
            | b"FLUSHALL" | b"FLUSHDB" | b"INFO" | b"KEYS" | b"LATENCY" | b"PING" | b"PUBLISH"
            | b"RANDOMKEY" | b"SCAN" | b"SCRIPT" | b"SLOWLOG" | b"TIME" | b"WAIT" => None,
            // First a script, then how many keys there are.
            b"EVAL" | b"EVAL_RO" | b"EVALSHA" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
                args.nth(1).filter(|count| *count != b"0").and_then(|_| args.next())
            }
            b"XREAD" | b"XREADGROUP" => {
                args.find(|arg| arg.eq_ignore_ascii_case(b"STREAMS")).and_then(|_| args.next())
            }
            b"BITOP" | b"LMPOP" | b"MEMORY" | b"OBJECT" | b"SINTERCARD" | b"XGROUP" | b"XINFO"
            | b"ZDIFF" | b"ZINTER" | b"ZMPOP" | b"ZUNION" => args.nth(1),
            _ => args.next(),
        };
        key.map(|key| Route::with_key(key, SlotAddr::Master))
    }

    /// How the replies of all nodes of a cluster are one, where it asks for, or does, something of all
    /// keys or of the server.
    fn of_all_nodes(&self) -> Option<Gather> {
        let mut args = self.0.args_iter().map(|arg| match arg {
            Arg::Simple(bytes) => bytes.to_ascii_uppercase(),
            _ => Vec::new(),
        });
        let (word, then) = (args.next()?, args.next());
        match (word.as_slice(), then.as_deref()) {
            (b"DBSIZE", _) => Some(Gather::Sum),
            (b"KEYS", _) => Some(Gather::All),
            (b"FLUSHALL" | b"FLUSHDB", _) | (b"SCRIPT", Some(b"FLUSH" | b"LOAD")) => {
                Some(Gather::Same)
            }
            _ => None,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.arg(bytes.as_ref());
        self
    }
}

/// How the replies of several nodes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// Numbers that add up.
    Sum,
    /// Lists that are one behind the other.
    All,
    /// Each says the same.
    Same,
}

impl Gather {
    /// The reply of two nodes.
    pub(super) fn both(self, one: Value, other: Value) -> Value {
        match (self, one, other) {
            (Self::Sum, Value::Integer(one), Value::Integer(other)) => {
                Value::Integer(one.saturating_add(other))
            }
            (Self::All, Value::List(mut one), Value::List(other)) => {
                one.extend(other);
                Value::List(one)
            }
            (_, _, other) => other,
        }
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

    /// Where it leads to in a cluster: by the first key in it.
    pub(super) fn route(&self) -> Option<Route> {
        self.commands.iter().find_map(Command::route)
    }

    /// How the replies of all nodes of a cluster are one, where it is for all of them.
    pub(super) fn of_all_nodes(&self) -> Option<Gather> {
        match (self.shape, self.commands.as_slice()) {
            (Shape::Single, [command]) => command.of_all_nodes(),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_leads_to_where_its_key_is() {
        let foo = Some(Route::with_key("foo", SlotAddr::Master));
        for (words, route) in [
            ("GET foo", foo),
            ("set foo 1", foo),
            ("GET {foo}bar", foo),
            ("MGET foo bar", foo),
            ("EVAL text 1 foo bar", foo),
            ("EVALSHA hash 0 foo", None),
            ("XREAD COUNT 1 streams foo 0", foo),
            ("XREADGROUP GROUP foo me STREAMS foo >", foo),
            ("XGROUP CREATE foo group $", foo),
            ("OBJECT ENCODING foo", foo),
            ("PING foo", None),
            ("INFO", None),
            ("GET", None),
        ] {
            assert_eq!(Request::single(Command::new(words)).route(), route, "{words}");
        }
    }
}
