//! The statements a script sends, each read once: its text as the client takes it, and its name.
//!
//! A script says the same few statements over and over. To read one again costs more than all else
//! that is done for a call before it is sent.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{LuaString, Value};
use rustc_hash::FxHashMap;

use super::options::CallOptions;
use super::values::{self, Look};
use super::{Shared, begun};
use crate::client::sql::{self, Client, Datum, Dialect, Traces};
use crate::script::context::UserState;
use crate::script::measure::{Operation, ScenarioMeter};
use crate::script::options::shown;

/// Most statements kept; beyond it all are read again. A script that writes its values into the text
/// makes more without end.
const MOST: usize = 1_000;

/// Longest text that is kept, in bytes.
const LONGEST: usize = 4 << 10;

/// A statement that was read.
pub(super) struct Statement {
    pub(super) read: sql::Statement,
    /// What it is called where the script does not say.
    name: Box<[u8]>,
    /// Whether it is one that changes rows.
    pub(super) changes_rows: bool,
    traces: Traces,
    /// What to write in place of the parameters of another database, where it has such.
    foreign: Option<&'static str>,
    /// Where its samples go under that name, and in which scenario.
    operation: RefCell<Option<(Rc<ScenarioMeter>, Rc<Operation>)>>,
    /// Whether it was given parameters that were a list and nothing else.
    given_a_list: Cell<bool>,
}

/// What one client was given to send so far. A script makes it up for itself alone, so a plain hash
/// will do.
#[derive(Default)]
pub(super) struct Statements {
    read: RefCell<FxHashMap<Arc<str>, Rc<Statement>>>,
    /// The same by where Lua has the text, which it keeps there while it is held here.
    seen: RefCell<FxHashMap<usize, (LuaString, Rc<Statement>)>>,
}

impl Statement {
    fn read(dialect: Dialect, text: &str) -> Rc<Self> {
        let read = sql::Statement::from(text);
        Rc::new(Self {
            name: read.name(dialect).into(),
            changes_rows: read.changes_rows(dialect),
            traces: read.traces(dialect),
            foreign: read.foreign(dialect),
            read,
            operation: RefCell::default(),
            given_a_list: Cell::new(false),
        })
    }

    /// Refuses what would leave a connection that is anybody's next in a transaction or at another
    /// database, or would end the transaction that it is in.
    pub(super) fn refuse_traces(&self, in_transaction: bool) -> Result<(), String> {
        match self.traces {
            Traces { moves: true, .. } => {
                Err("would leave a connection that others use next at another database\n  \
                 hint: name it before the table, `other.items`, or make a client for it"
                    .to_owned())
            }
            Traces { bounds: true, .. } if in_transaction => Err(
                "the transaction begins and ends with its function, and no statement may do so\n  \
                 hint: return from the function to commit; return `nil, err` to roll back"
                    .to_owned(),
            ),
            Traces { unpaired: true, .. } if !in_transaction => Err(
                "would leave a transaction begun or ended on a connection that others use next\n  \
                 hint: write `db:transaction(function(tx) ... end)`"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// The parameters of a call of it. They are looked at closely until they were right once: a
    /// script that writes names for numbers does so from the first call on.
    pub(super) fn parameters(&self, given: &Value) -> Result<Vec<Datum>, String> {
        let look = if self.given_a_list.get() { Look::List } else { Look::Whole };
        let found = values::parameters(given, look)?;
        if let (false, Some(hint)) = (found.is_empty(), self.foreign) {
            let count = found.len();
            return Err(format!("the statement has no parameters, got {count}\n  hint: {hint}"));
        }
        self.given_a_list.set(!found.is_empty());
        Ok(found)
    }

    /// Where the sample of a call of it goes; `None` where calls are not measured.
    pub(super) fn operation(
        &self,
        shared: &Shared,
        user: &UserState,
        opts: &CallOptions,
    ) -> Option<Rc<Operation>> {
        if opts.name.is_some() || !opts.tags.is_empty() || !user.measured.get() {
            return begun::operation(shared, user, opts, &self.name);
        }
        let mut known = self.operation.borrow_mut();
        if let Some((meter, operation)) = &*known
            && Rc::ptr_eq(meter, &user.scenario)
        {
            return Some(Rc::clone(operation));
        }
        let found = begun::operation(shared, user, opts, &self.name)?;
        *known = Some((Rc::clone(&user.scenario), Rc::clone(&found)));
        Some(found)
    }
}

impl Statements {
    /// The statement a script gives.
    pub(super) fn given(&self, client: &Client, text: &Value) -> Result<Rc<Statement>, String> {
        match text {
            Value::String(text) => self.in_place(client, text),
            other => Err(format!(
                "expected a statement, got {}\n  hint: call it as `db:query(\"SELECT 1\")`",
                shown(other)
            )),
        }
    }

    /// The statement of a text that Lua has.
    fn in_place(&self, client: &Client, text: &LuaString) -> Result<Rc<Statement>, String> {
        let place = text.to_pointer() as usize;
        if let Some((_, known)) = self.seen.borrow().get(&place) {
            return Ok(Rc::clone(known));
        }
        let Ok(utf8) = text.to_str() else {
            return Err("expected a statement in UTF-8, got other bytes".to_owned());
        };
        if utf8.contains('\0') {
            return Err("expected a statement without NUL bytes".to_owned());
        }
        let known = self.known(client.dialect()?, &utf8);
        keep(&self.seen, &known, place, || (text.clone(), Rc::clone(&known)));
        Ok(known)
    }

    /// The statement of that text.
    pub(super) fn known(&self, dialect: Dialect, text: &str) -> Rc<Statement> {
        if let Some(known) = self.read.borrow().get(text) {
            return Rc::clone(known);
        }
        let read = Statement::read(dialect, text);
        keep(&self.read, &read, Arc::clone(read.read.text()), || Rc::clone(&read));
        read
    }
}

/// Keeps what leads to a statement, if its text is not too long.
fn keep<K: Eq + Hash, V>(
    all: &RefCell<FxHashMap<K, V>>,
    statement: &Statement,
    key: K,
    value: impl FnOnce() -> V,
) {
    if statement.read.text().len() <= LONGEST {
        let mut all = all.borrow_mut();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sql::{Address, Database, Others, Settings};
    use std::time::Duration;

    const LITE: Dialect = Dialect::Sqlite;

    fn client() -> Rc<Client> {
        Client::new(Settings {
            address: Address::Known(Database::parse("postgres://127.0.0.1/d").unwrap()),
            size: 1,
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            result_limit: 1,
            cancel: false,
            others: Others::default(),
        })
    }

    #[test]
    fn a_statement_is_read_once_and_only_so_many_and_short_ones_are_kept() {
        let statements = Statements::default();
        let first = statements.known(LITE, "SELECT 1");
        assert_eq!(&*first.name, b"SELECT ?");
        assert!(Rc::ptr_eq(&first, &statements.known(LITE, "SELECT 1")));
        for n in 0..MOST * 3 {
            let text = format!("SELECT {n}");
            assert_eq!(**statements.known(LITE, &text).read.text(), *text);
            assert!(statements.read.borrow().len() <= MOST);
        }
        let kept = statements.read.borrow().len();
        let long = format!("SELECT '{}'", "x".repeat(LONGEST));
        assert_eq!(&*statements.known(LITE, &long).name, b"SELECT ?");
        assert_eq!(statements.read.borrow().len(), kept);
    }

    #[test]
    fn a_statement_is_known_by_where_lua_has_it_and_never_taken_for_another() {
        let lua = mlua::Lua::new();
        let statements = Statements::default();
        let client = client();
        let given = |text: &str| {
            statements.given(&client, &Value::String(lua.create_string(text).unwrap()))
        };
        for n in 0..MOST * 3 {
            // Lua lets go of each, and puts another one in its place.
            let text = format!("SELECT {n} /* longer than what Lua has but once */");
            assert_eq!(**given(&text).unwrap().read.text(), *text);
            assert!(statements.seen.borrow().len() <= MOST);
            if n % 100 == 0 {
                lua.gc_collect().unwrap();
            }
        }
        let text = Value::String(lua.create_string("SELECT 1").unwrap());
        let first = statements.given(&client, &text).unwrap();
        assert!(Rc::ptr_eq(&first, &statements.given(&client, &text).unwrap()));
        for bytes in [&b"\xff"[..], b"SELECT 1\0"] {
            let text = Value::String(lua.create_string(bytes).unwrap());
            assert!(statements.given(&client, &text).is_err());
        }
    }
}
