//! The options of one call.

use std::time::Duration;

use mlua::{LuaString, Value};

use crate::client::sql::{Begin, Isolation};
use crate::script::options::{self, shown};

/// What a statement can be given.
const STATEMENT: &[&str] = &["name", "prepare", "tags", "timeout"];

/// What a transaction can be given.
const TRANSACTION: &[&str] = &["isolation", "name", "read_only", "tags", "timeout"];

/// What a call is given besides its statement.
pub(super) struct CallOptions {
    /// What the sample is called.
    pub(super) name: Option<LuaString>,
    /// More tags of the sample, sorted.
    pub(super) tags: Vec<(String, String)>,
    /// Longest it may take.
    pub(super) timeout: Option<Duration>,
    /// Whether the statement is prepared once a connection.
    pub(super) prepare: bool,
    /// How a transaction begins.
    pub(super) begin: Begin,
}

impl CallOptions {
    /// Those of a statement.
    pub(super) fn statement(value: &Value) -> Result<Self, String> {
        Self::read(value, STATEMENT)
    }

    /// Those of a transaction.
    pub(super) fn transaction(value: &Value) -> Result<Self, String> {
        Self::read(value, TRANSACTION)
    }

    fn read(value: &Value, known: &[&str]) -> Result<Self, String> {
        let mut read = Self {
            name: None,
            tags: Vec::new(),
            timeout: None,
            prepare: true,
            begin: Begin::default(),
        };
        let table = match value {
            Value::Nil => return Ok(read),
            Value::Table(table) => table,
            other => return Err(format!("expected a table of options, got {}", shown(other))),
        };
        if let [first, ..] = &*options::unknown_keys(table, known) {
            return Err(first.clone());
        }
        for pair in table.pairs::<LuaString, Value>() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            read.set(&key.as_bytes(), value)
                .map_err(|what| format!("{}: {what}", key.to_string_lossy()))?;
        }
        Ok(read)
    }

    fn set(&mut self, key: &[u8], value: Value) -> Result<(), String> {
        match key {
            b"name" => match value {
                Value::String(name) => self.name = Some(name),
                other => return Err(format!("expected a string, got {}", shown(&other))),
            },
            b"tags" => self.tags = options::tags(&value)?,
            b"timeout" => self.timeout = Some(options::limit(&value)?),
            b"prepare" => self.prepare = options::boolean(&value)?,
            b"isolation" => self.begin.isolation = Some(isolation(&value)?),
            // `known` lets no other through.
            _ => self.begin.read_only = options::boolean(&value)?,
        }
        Ok(())
    }
}

fn isolation(value: &Value) -> Result<Isolation, String> {
    let text = options::string(value)?;
    let found = Isolation::ALL.iter().find(|(word, _)| *word == text);
    found.map(|(_, level)| *level).ok_or_else(|| {
        let words: Vec<String> =
            Isolation::ALL.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("expected one of {}, got {text:?}", words.join(", "))
    })
}
