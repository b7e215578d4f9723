//! `for row, err in client:stream(...) do ... end`: a large answer that is never held whole.
//!
//! A failure in the middle is `false` in place of a row, and its reason; then the loop ends. Leaving
//! the loop early closes the connection. The whole of it is one sample, without the script's own
//! time between the rows, which is not the target's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use mlua::{Function, Lua, LuaString, MetaMethod, Table, UserData, UserDataMethods, Value};

use super::Shared;
use super::begun::{self, Answer};
use super::options::CallOptions;
use super::values;
use crate::client::sql::{Call, Datum, Exchange, Keep, Rows, Stream, Trouble};
use crate::script::calls::strike;
use crate::script::context::UserState;
use crate::script::coroutine;
use crate::script::failed::Failed;
use crate::script::measure::{Meant, Operation};
use crate::script::traceback::misuse;

/// The call as messages name it.
const CALL: &str = "sql.stream";

/// What a generic `for` takes: a function, two values it does not need, and what is closed at the
/// end of the loop.
pub(super) type Loop = (Function, Value, Value, Value);

/// A stream that is ready to begin.
pub(super) struct Begun {
    shared: Rc<Shared>,
    user: Rc<UserState>,
    call: Call,
    operation: Option<Rc<Operation>>,
}

/// Everything that can be wrong with a call, while the caller's line is still known.
pub(super) fn begin(
    shared: &Rc<Shared>,
    lua: &Lua,
    (text, parameters, opts): &(Value, Value, Value),
) -> mlua::Result<Begun> {
    let user = shared.context.may_wait(lua, CALL)?;
    let wrong = |what: String| misuse(lua, format!("{CALL}: {what}"));
    let opts = CallOptions::statement(opts).map_err(wrong)?;
    let statement = shared.statements.given(&shared.client, text).map_err(wrong)?;
    statement.refuse_traces(false).map_err(wrong)?;
    let parameters = statement.parameters(parameters).map_err(wrong)?;
    let operation = statement.operation(shared, &user, &opts);
    let (prepare, timeout) = (opts.prepare, opts.timeout);
    let statement = statement.read.clone();
    let call = Call { statement, parameters, prepare, keep: Keep::Rows, timeout };
    Ok(Begun { shared: Rc::clone(shared), user, call, operation })
}

impl Begun {
    pub(super) async fn run(self, lua: Lua) -> mlua::Result<Loop> {
        let Self { shared, user, call, operation } = self;
        let meant = Meant::new(&shared.context, &user, operation.is_some());
        let limit = shared.client.limit(call.timeout);
        let begin = shared.client.stream(call);
        let begun = match operation.as_ref().and_then(|it| it.dangers.meet(&user)) {
            None => begin.await,
            Some(effect) => Box::pin(strike(effect, limit, begin)).await,
        };
        let reading = Rc::new(RefCell::new(Reading {
            shared,
            operation,
            meant,
            source: None,
            names: Vec::new(),
            ready: VecDeque::new(),
            failed: None,
        }));
        match begun {
            Ok(stream) => reading.borrow_mut().source = Some(stream),
            Err(exchange) => reading.borrow_mut().end(*exchange)?,
        }
        let closed = Value::UserData(lua.create_userdata(Closer(Rc::clone(&reading)))?);
        let next = coroutine::function(&lua, move |_, ()| Ok(Rc::clone(&reading)), next)?;
        Ok((next, Value::Nil, Value::Nil, closed))
    }
}

/// A stream in the middle.
struct Reading {
    shared: Rc<Shared>,
    operation: Option<Rc<Operation>>,
    /// Until the stream has ended.
    meant: Meant,
    /// Where rows come from; `None` when it has ended, and while it is waited for.
    source: Option<Stream>,
    names: Vec<LuaString>,
    /// Rows that have arrived.
    ready: VecDeque<Vec<Datum>>,
    /// A failure the script has not been told of.
    failed: Option<Failed>,
}

impl Reading {
    /// Records the whole.
    fn end(&mut self, exchange: Exchange) -> mlua::Result<()> {
        let meant = std::mem::take(&mut self.meant);
        begun::record(&self.shared, self.operation.as_deref(), &meant, &exchange);
        match exchange.answer {
            Ok(_) => Ok(()),
            Err(Trouble::Failed(failure)) => {
                self.failed = Some(Failed(failure));
                Ok(())
            }
            Err(Trouble::Misused(what)) => Err(mlua::Error::runtime(format!("{CALL}: {what}"))),
        }
    }

    fn fill(&mut self, lua: &Lua, rows: &Rows) -> mlua::Result<()> {
        self.names = values::names(lua, rows)?;
        self.ready.extend(rows.iter().map(<[Datum]>::to_vec));
        Ok(())
    }

    fn row(&mut self, lua: &Lua) -> mlua::Result<Option<Table>> {
        let cells = self.ready.pop_front();
        cells.map(|cells| values::row(lua, &self.names, &cells)).transpose()
    }
}

/// The next row, or `false` and the failure, or nil at the end.
async fn next(reading: Rc<RefCell<Reading>>, lua: Lua) -> mlua::Result<Answer> {
    loop {
        let source = {
            let mut reading = reading.borrow_mut();
            if let Some(row) = reading.row(&lua)? {
                return Ok((Value::Table(row), Value::Nil));
            }
            reading.source.take()
        };
        let Some(mut source) = source else {
            break;
        };
        let batch = source.next().await;
        let mut reading = reading.borrow_mut();
        match batch {
            Some(rows) => {
                reading.fill(&lua, &rows)?;
                reading.source = Some(source);
            }
            None => reading.end(source.finish())?,
        }
    }
    match reading.borrow_mut().failed.take() {
        Some(failed) => Ok((Value::Boolean(false), Value::UserData(lua.create_userdata(failed)?))),
        None => Ok((Value::Nil, Value::Nil)),
    }
}

/// Ends the stream with the loop.
struct Closer(Rc<RefCell<Reading>>);

impl UserData for Closer {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Close, |_, this, _: Value| {
            let mut reading = this.0.borrow_mut();
            reading.ready.clear();
            match reading.source.take() {
                Some(source) => reading.end(source.finish()),
                None => Ok(()),
            }
        });
    }
}
