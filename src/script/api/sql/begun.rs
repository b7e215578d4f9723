//! One statement from a script's call to its answer.

use std::rc::Rc;

use mlua::{Lua, LuaString, Value};

use super::options::CallOptions;
use super::{Shared, insert, values};
use crate::client::sql::{Call, Datum, Dialect, Exchange, Keep, Rows, Trouble, Work};
use crate::script::calls::strike;
use crate::script::context::UserState;
use crate::script::failed::Failed;
use crate::script::measure::{Meant, Operation, Thing};
use crate::script::naming::Naming;
use crate::script::traceback::misuse;

/// What a script wants of an answer, or does with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Several statements in one text.
    Batch,
    /// How many rows were changed.
    Execute,
    /// How the server would go about it.
    Explain,
    /// Many rows into a table.
    Insert,
    /// The first row.
    One,
    /// All rows.
    Query,
    /// The first column of the first row.
    Value,
}

/// Every method a client and a transaction have.
pub(super) const METHODS: &[Want] =
    &[Want::Batch, Want::Execute, Want::Explain, Want::Insert, Want::One, Want::Query, Want::Value];

impl Want {
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Execute => "execute",
            Self::Explain => "explain",
            Self::Insert => "insert",
            Self::One => "one",
            Self::Query => "query",
            Self::Value => "value",
        }
    }

    /// What of the answer is looked at.
    fn keep(self) -> Keep {
        match self {
            Self::One => Keep::Row,
            Self::Value => Keep::Value,
            _ => Keep::Rows,
        }
    }

    /// The call as messages name it.
    pub(super) fn on_client(self) -> &'static str {
        match self {
            Self::Batch => "sql.batch",
            Self::Execute => "sql.execute",
            Self::Explain => "sql.explain",
            Self::Insert => "sql.insert",
            Self::One => "sql.one",
            Self::Query => "sql.query",
            Self::Value => "sql.value",
        }
    }
}

/// A statement that is ready to be sent.
pub(super) struct Begun {
    pub(super) shared: Rc<Shared>,
    pub(super) user: Rc<UserState>,
    call: &'static str,
    want: Want,
    /// Whether how many rows it changed is more than what an earlier one did.
    counts: bool,
    pub(super) work: Work,
    /// Where its sample goes; `None` where calls are not measured.
    operation: Option<Rc<Operation>>,
}

/// A value, and the failure in its place.
pub(super) type Answer = (Value, Value);

/// Everything that can be wrong with a call, while the caller's line is still known.
pub(super) fn begin(
    shared: &Rc<Shared>,
    lua: &Lua,
    want: Want,
    call: &'static str,
    in_transaction: bool,
    args: (Value, Value, Value, Value),
) -> mlua::Result<Begun> {
    let user = shared.context.may_wait(lua, call)?;
    let wrong = |what: String| misuse(lua, format!("{call}: {what}"));
    let (first, second, third, fourth) = args;
    let statements = &shared.statements;
    let (statement, parameters, opts) = match want {
        Want::Batch => {
            let statement = statements.given(&shared.client, &first).map_err(wrong)?;
            if let Value::Table(list) = &second
                && list.raw_len() > 0
            {
                let what = "takes no parameters; write the values into the text, or use `execute`";
                return Err(wrong(what.to_owned()));
            }
            (statement, Vec::new(), CallOptions::statement(&second).map_err(wrong)?)
        }
        Want::Insert => {
            let dialect = shared.client.dialect().map_err(wrong)?;
            let (text, parameters) =
                insert::statement(dialect, &first, &second, &third).map_err(wrong)?;
            let opts = CallOptions::statement(&fourth).map_err(wrong)?;
            (statements.known(dialect, &text), parameters, opts)
        }
        _ => {
            let mut statement = statements.given(&shared.client, &first).map_err(wrong)?;
            let parameters = statement.parameters(&second).map_err(wrong)?;
            let opts = CallOptions::statement(&third).map_err(wrong)?;
            if want == Want::Explain {
                let dialect = shared.client.dialect().map_err(wrong)?;
                statement = statements.known(dialect, &explained(dialect, statement.read.text()));
            }
            (statement, parameters, opts)
        }
    };
    statement.refuse_traces(in_transaction).map_err(wrong)?;
    let operation = statement.operation(shared, &user, &opts);
    let (text, timeout) = (statement.read.clone(), opts.timeout);
    let work = if want == Want::Batch {
        Work::Batch { statements: text, timeout }
    } else {
        let (prepare, keep) = (opts.prepare, want.keep());
        Work::Call(Call { statement: text, parameters, prepare, keep, timeout })
    };
    let counts = want != Want::Execute || statement.changes_rows;
    Ok(Begun { shared: Rc::clone(shared), user, call, want, counts, work, operation })
}

/// Where the sample of a call goes; `None` where calls are not measured.
pub(super) fn operation(
    shared: &Shared,
    user: &UserState,
    opts: &CallOptions,
    otherwise: &[u8],
) -> Option<Rc<Operation>> {
    user.measured.get().then(|| {
        let given = opts.name.as_ref().map(LuaString::as_bytes);
        let name = Naming::Given(given.as_deref().unwrap_or(otherwise));
        let mut recorder = shared.context.recorder.borrow_mut();
        user.scenario.operation(&mut recorder, Thing::Sql, name, &opts.tags)
    })
}

impl Begun {
    /// Sends it on any connection, records what came of it, and hands it to the script.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps what it is given twice")]
    pub(super) fn run(self, lua: Lua) -> impl Future<Output = mlua::Result<Answer>> {
        async move {
            let meant = self.meant();
            let (client, operation) = (&self.shared.client, self.operation.as_ref());
            let exchange = match operation.and_then(|operation| operation.dangers.meet(&self.user))
            {
                None => client.call(&self.work).await,
                Some(effect) => {
                    let limit = client.limit(self.work.timeout());
                    Box::pin(strike(effect, limit, client.call(&self.work))).await
                }
            };
            self.answer(&lua, &meant, exchange)
        }
    }

    /// It begins now.
    pub(super) fn meant(&self) -> Meant {
        Meant::new(&self.shared.context, &self.user, self.operation.is_some())
    }

    /// Records what came of it, and makes Lua values of it.
    pub(super) fn answer(
        &self,
        lua: &Lua,
        meant: &Meant,
        exchange: Exchange,
    ) -> mlua::Result<Answer> {
        record(&self.shared, self.operation.as_deref(), meant, &exchange);
        let rows = match exchange.answer {
            Ok(rows) => rows,
            Err(trouble) => return troubled(lua, self.call, trouble),
        };
        let value = match self.want {
            Want::Query => values::rows(lua, &rows)?,
            Want::One => values::one(lua, &rows)?,
            Want::Value => match rows.cells.first() {
                Some(datum) => values::lua_value(lua, datum)?,
                None => Value::Nil,
            },
            Want::Execute if !self.counts => Value::Integer(0),
            Want::Execute | Want::Insert | Want::Batch => {
                Value::Integer(i64::try_from(rows.affected).unwrap_or(i64::MAX))
            }
            Want::Explain => Value::String(lua.create_string(plan(&rows))?),
        };
        Ok((value, Value::Nil))
    }
}

/// Records an exchange; a mistake of the script is none.
pub(super) fn record(
    shared: &Shared,
    operation: Option<&Operation>,
    meant: &Meant,
    exchange: &Exchange,
) {
    let context = &shared.context;
    context.exhausted.update(|calls| calls + u64::from(exchange.no_socket));
    if let Some(operation) = operation
        && !matches!(exchange.answer, Err(Trouble::Misused(_)))
    {
        let made = meant.moment(context, exchange.started);
        let counted = operation.answered(&mut context.recorder.borrow_mut(), made, exchange);
        context.counted(counted);
    }
}

/// A failure as the second value; a mistake as an error.
pub(super) fn troubled(lua: &Lua, call: &str, trouble: Trouble) -> mlua::Result<Answer> {
    match trouble {
        Trouble::Failed(failure) => {
            Ok((Value::Nil, Value::UserData(lua.create_userdata(Failed(failure))?)))
        }
        Trouble::Misused(what) => Err(misuse(lua, format!("{call}: {what}"))),
    }
}

/// The statement that asks for the plan of another.
fn explained(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::MySql => format!("EXPLAIN {text}"),
        Dialect::Sqlite => format!("EXPLAIN QUERY PLAN {text}"),
    }
}

/// A plan as text: a line for each row of the server's answer.
fn plan(rows: &Rows) -> String {
    let shown = |datum: &Datum| match datum {
        Datum::Text(text) | Datum::Json(text) => text.clone(),
        Datum::Integer(number) => number.to_string(),
        Datum::Float(number) => number.to_string(),
        Datum::Bool(truth) => truth.to_string(),
        _ => String::new(),
    };
    let lines = rows.iter().map(|cells| match (cells, &*rows.columns) {
        ([only], _) => shown(only),
        // SQLite: numbers of nodes, and what is done.
        ([.., detail], [.., name]) if &**name == "detail" => shown(detail),
        (cells, names) => {
            let pairs = names.iter().zip(cells).filter(|(_, cell)| **cell != Datum::Null);
            pairs
                .map(|(name, cell)| format!("{name}={}", shown(cell)))
                .collect::<Vec<_>>()
                .join(" ")
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
