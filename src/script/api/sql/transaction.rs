//! `client:transaction(function(tx) ... end)`: from BEGIN to COMMIT, or to ROLLBACK.
//!
//! It is rolled back when the function raises, returns `false`, or nil and a second value, as Lua's own
//! functions do that fail, or a failure as its second value; when a statement in it failed such that it cannot go on; and when the user is ended in
//! the middle.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{Function, Lua, UserData, UserDataFields, Value};

use super::Shared;
use super::begun::{self, Answer, Begun as Statement, METHODS, Want};
use super::options::CallOptions;
use crate::client::Failure;
use crate::client::sql::{Exchange, Transaction, Trouble};
use crate::script::calls::{Effect, cut, strike};
use crate::script::context::UserState;
use crate::script::coroutine::{self, Coroutine};
use crate::script::failed::Failed;
use crate::script::measure::{Meant, Operation};
use crate::script::options::shown;
use crate::script::traceback::misuse;

/// The call as messages name it.
const CALL: &str = "sql.transaction";

/// What a transaction is called when nobody says.
const NAME: &[u8] = b"transaction";

/// A transaction that is ready to begin.
pub(super) struct Begun {
    shared: Rc<Shared>,
    user: Rc<UserState>,
    function: Function,
    opts: CallOptions,
    operation: Option<Rc<Operation>>,
}

/// Everything that can be wrong with a call, while the caller's line is still known.
pub(super) fn begin(
    shared: &Rc<Shared>,
    lua: &Lua,
    function: &Value,
    opts: &Value,
) -> mlua::Result<Begun> {
    let user = shared.context.may_wait(lua, CALL)?;
    let wrong = |what: String| misuse(lua, format!("{CALL}: {what}"));
    let Value::Function(function) = function else {
        return Err(wrong(format!("expected a function, got {}", shown(function))));
    };
    let opts = CallOptions::transaction(opts).map_err(wrong)?;
    let operation = begun::operation(shared, &user, &opts, NAME);
    let (shared, function) = (Rc::clone(shared), function.clone());
    Ok(Begun { shared, user, function, opts, operation })
}

impl Begun {
    pub(super) async fn run(self, lua: Lua) -> mlua::Result<Answer> {
        let meant = Meant::new(&self.shared.context, &self.user, self.operation.is_some());
        let struck = self.operation.as_ref().and_then(|it| it.dangers.meet(&self.user));
        let client = &self.shared.client;
        let begin = client.begin(&self.opts.begin, self.opts.timeout);
        let began = match struck {
            // What is cut is done to its end first.
            None | Some(Effect::Cut) => begin.await,
            Some(effect) => Box::pin(strike(effect, client.limit(self.opts.timeout), begin)).await,
        };
        let transaction = match began {
            Ok(transaction) => transaction,
            Err(exchange) => {
                return self.end(&lua, &meant, *exchange, (Value::Nil, Value::Nil));
            }
        };
        let inner = Rc::new(Inner {
            shared: Rc::clone(&self.shared),
            transaction: RefCell::new(Some(transaction)),
            over: Cell::new(false),
        });
        // A script may keep the handle; it must not keep the connection.
        let _ended = Ended(Rc::clone(&inner));
        let tx = lua.create_userdata(Tx(Rc::clone(&inner)))?;
        let context = &self.shared.context;
        let returned = Coroutine::new(&lua, context, self.function.clone(), tx).await;
        inner.over.set(true);
        let transaction = inner.transaction.borrow_mut().take();
        let Some(transaction) = transaction else {
            return Err(misuse(&lua, format!("{CALL}: a statement in it was left unfinished")));
        };
        let mut returned = match returned {
            Ok(returned) => returned,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        let value = returned.pop_front().unwrap_or(Value::Boolean(true));
        let second = returned.pop_front().unwrap_or(Value::Nil);
        let given_up = matches!(value, Value::Boolean(false)) || value.is_nil() && !second.is_nil();
        let mut exchange = match (failure(&second), given_up) {
            (Some(failure), _) => {
                let mut exchange = transaction.roll_back().await;
                exchange.answer = Err(Trouble::Failed(failure));
                exchange
            }
            (None, true) => transaction.roll_back().await,
            (None, false) => transaction.commit().await,
        };
        if struck == Some(Effect::Cut) {
            cut(&mut exchange);
        }
        let second = if given_up { second } else { Value::Nil };
        self.end(&lua, &meant, exchange, (value, second))
    }

    fn end(
        &self,
        lua: &Lua,
        meant: &Meant,
        exchange: Exchange,
        returned: Answer,
    ) -> mlua::Result<Answer> {
        begun::record(&self.shared, self.operation.as_deref(), meant, &exchange);
        match exchange.answer {
            Ok(_) => Ok(returned),
            Err(trouble) => begun::troubled(lua, CALL, trouble),
        }
    }
}

/// The failure a function returned.
fn failure(value: &Value) -> Option<Failure> {
    Some(value.as_userdata()?.borrow::<Failed>().ok()?.0.clone())
}

/// What the handle of scripts and the call that made it share.
struct Inner {
    shared: Rc<Shared>,
    /// Away while a statement runs.
    transaction: RefCell<Option<Transaction>>,
    over: Cell<bool>,
}

/// Takes the transaction out of a script's hands when the call that began it is over.
struct Ended(Rc<Inner>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.over.set(true);
        self.0.transaction.take();
    }
}

/// The transaction in a script's hands.
pub(super) struct Tx(Rc<Inner>);

impl UserData for Tx {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for want in METHODS {
            let call = on_transaction(*want);
            coroutine::method(
                fields,
                want.method(),
                move |lua, this, args: (Value, Value, Value, Value)| {
                    let inner = Rc::clone(&this.0);
                    let transaction = take(&inner, lua, call)?;
                    match begun::begin(&inner.shared, lua, *want, call, true, args) {
                        Ok(begun) => Ok((inner, begun, transaction)),
                        Err(error) => {
                            inner.transaction.replace(Some(transaction));
                            Err(error)
                        }
                    }
                },
                |(inner, begun, transaction), lua| run(inner, begun, transaction, lua),
            );
        }
    }
}

/// Takes the transaction for one statement.
fn take(inner: &Inner, lua: &Lua, call: &str) -> mlua::Result<Transaction> {
    if inner.over.get() {
        return Err(misuse(lua, format!("{call}: the transaction has ended")));
    }
    inner.transaction.borrow_mut().take().ok_or_else(|| {
        misuse(lua, format!("{call}: the transaction is busy with another statement"))
    })
}

async fn run(
    inner: Rc<Inner>,
    begun: Statement,
    mut transaction: Transaction,
    lua: Lua,
) -> mlua::Result<Answer> {
    if let Some(failure) = transaction.doomed() {
        let trouble = Trouble::Failed(failure.clone());
        *inner.transaction.borrow_mut() = Some(transaction);
        return begun::troubled(&lua, CALL, trouble);
    }
    let meant = begun.meant();
    let exchange = transaction.call(&begun.work).await;
    *inner.transaction.borrow_mut() = Some(transaction);
    begun.answer(&lua, &meant, exchange)
}

/// The call as messages name it.
fn on_transaction(want: Want) -> &'static str {
    match want {
        Want::Batch => "tx.batch",
        Want::Execute => "tx.execute",
        Want::Explain => "tx.explain",
        Want::Insert => "tx.insert",
        Want::One => "tx.one",
        Want::Query => "tx.query",
        Want::Value => "tx.value",
    }
}
