//! Between Lua values and plain data.

use mlua::{Lua, LuaString, Table, Value};

use super::{Plain, PlainError, View};

/// Tables nested deeper than this are refused rather than followed onto the end of the stack.
const DEPTH_LIMIT: usize = 128;

/// The name of the metatable that marks an empty table as a list.
const LIST_MARK: &str = "loadrun.list";

impl Plain {
    /// Takes a value out of Lua. A [`View`] gives the data it looks at, without a copy.
    pub fn read(value: &Value) -> Result<Plain, PlainError> {
        Taking { path: Vec::new(), tables: Vec::new() }.value(value)
    }

    /// Makes the value in a Lua state, with tables of its own.
    pub fn write(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Plain::Nil => Value::Nil,
            Plain::Null => Value::NULL,
            Plain::Bool(truth) => Value::Boolean(*truth),
            Plain::Integer(number) => Value::Integer(*number),
            Plain::Float(number) => Value::Number(*number),
            Plain::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
            Plain::List(items) if items.is_empty() => Value::Table(mark_as_list(lua, None)?),
            Plain::List(items) => {
                let table = lua.create_table_with_capacity(items.len(), 0)?;
                for (index, item) in items.iter().enumerate() {
                    table.raw_set(index + 1, item.write(lua)?)?;
                }
                Value::Table(table)
            }
            Plain::Map(entries) => {
                let table = lua.create_table_with_capacity(0, entries.len())?;
                for (key, item) in entries {
                    table.raw_set(key.write(lua)?, item.write(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}

/// Marks a table (a new one when none is given) as a list, so that it is one even while empty.
/// A table with another metatable is refused: it would lose it.
pub fn mark_as_list(lua: &Lua, table: Option<Table>) -> mlua::Result<Table> {
    let table = table.map_or_else(|| lua.create_table(), Ok)?;
    let known = lua.named_registry_value::<Option<Table>>(LIST_MARK)?;
    let mark = known.map_or_else(|| new_mark(lua), Ok)?;
    if table.metatable().is_some_and(|own| own != mark) {
        return Err(mlua::Error::runtime("expected a table without a metatable"));
    }
    table.set_metatable(Some(mark))?;
    Ok(table)
}

fn new_mark(lua: &Lua) -> mlua::Result<Table> {
    let mark = lua.create_table()?;
    mark.raw_set("__name", LIST_MARK)?;
    mark.raw_set("__metatable", false)?;
    lua.set_named_registry_value(LIST_MARK, &mark)?;
    Ok(mark)
}

/// One step from a table to a value in it, kept as text only when there is something to report.
enum Step {
    Index(usize),
    Key(Plain),
}

/// The way down from the outermost value.
struct Taking {
    path: Vec<Step>,
    /// The tables on the way, by address.
    tables: Vec<*const std::ffi::c_void>,
}

impl Taking {
    fn value(&mut self, value: &Value) -> Result<Plain, PlainError> {
        match value {
            Value::Nil => Ok(Plain::Nil),
            Value::LightUserData(pointer) if pointer.0.is_null() => Ok(Plain::Null),
            Value::Boolean(truth) => Ok(Plain::Bool(*truth)),
            Value::Integer(number) => Ok(Plain::Integer(*number)),
            Value::Number(number) => Ok(Plain::Float(*number)),
            Value::String(text) => Ok(Plain::text(text.as_bytes())),
            Value::Table(table) => self.table(table),
            Value::UserData(data) => match data.borrow::<View>() {
                Ok(view) => Ok(view.plain().clone()),
                Err(_) => Err(self.refuse("an object".to_owned())),
            },
            other => Err(self.refuse(format!("a {}", other.type_name()))),
        }
    }

    fn table(&mut self, table: &Table) -> Result<Plain, PlainError> {
        let address = table.to_pointer();
        if self.tables.contains(&address) {
            return Err(self.refuse("a table that contains itself".to_owned()));
        }
        if self.tables.len() == DEPTH_LIMIT {
            return Err(self.refuse(format!("tables nested more than {DEPTH_LIMIT} deep")));
        }
        self.tables.push(address);
        let length = table.raw_len();
        let taken = if length > 0 && keys(table) == length {
            self.list(table, length)
        } else if length == 0 && keys(table) == 0 && is_marked(table) {
            Ok(Plain::list([]))
        } else {
            self.map(table)
        };
        self.tables.pop();
        taken
    }

    fn list(&mut self, table: &Table, length: usize) -> Result<Plain, PlainError> {
        let mut items = Vec::with_capacity(length);
        for index in 1..=length {
            self.path.push(Step::Index(index));
            let item = table.raw_get(index).unwrap_or(Value::Nil);
            items.push(self.value(&item)?);
            self.path.pop();
        }
        Ok(Plain::List(items.into()))
    }

    fn map(&mut self, table: &Table) -> Result<Plain, PlainError> {
        let mut entries = Vec::new();
        for (key, item) in table.pairs::<Value, Value>().flatten() {
            if !matches!(
                key,
                Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::String(_)
            ) {
                return Err(self.refuse(format!("a {} as a key", key.type_name())));
            }
            let key = self.value(&key)?;
            self.path.push(Step::Key(key.clone()));
            let item = self.value(&item)?;
            self.path.pop();
            entries.push((key, item));
        }
        Ok(Plain::map(entries))
    }

    fn refuse(&self, what: String) -> PlainError {
        PlainError { what, path: self.path.iter().map(Step::text).collect() }
    }
}

impl Step {
    fn text(&self) -> String {
        match self {
            Step::Index(index) => format!("[{index}]"),
            Step::Key(key) => super::key_text(key),
        }
    }
}

/// How many keys a table has.
fn keys(table: &Table) -> usize {
    table.pairs::<Value, Value>().count()
}

fn is_marked(table: &Table) -> bool {
    let name = table.metatable().and_then(|mark| mark.raw_get::<LuaString>("__name").ok());
    name.is_some_and(|name| name == LIST_MARK)
}
