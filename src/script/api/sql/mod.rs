//! `loadrun.sql`: statements that read like blocking calls, on PostgreSQL, MySQL/MariaDB, SQLite.
//!
//! `local rows, err = db:query("SELECT ...", { 7 })`: a failure of the database is the second
//! value, never raised; a wrong call raises at the caller's line. Every statement is a sample, and
//! so is every transaction as a whole.

mod begun;
mod document;
mod insert;
mod options;
mod settings;
mod statements;
mod stream;
mod transaction;
mod values;

use std::rc::Rc;

use mlua::{Lua, UserData, UserDataFields, Value};

use crate::client::sql::{Client, Datum};
use crate::script::api::json;
use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::coroutine;

use begun::METHODS;
use statements::Statements;
use values::Marked;

/// What a script can call or read.
pub const FUNCTIONS: &[&str] = &[
    "Client:batch",
    "Client:execute",
    "Client:explain",
    "Client:insert",
    "Client:one",
    "Client:query",
    "Client:stream",
    "Client:transaction",
    "Client:value",
    "array",
    "bytes",
    "client",
    "json",
    "null",
];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("null", json::null(lua)?)?;
    table.raw_set(
        "client",
        lua.create_function(|lua, options: Value| {
            let context = Context::of(lua)?;
            context.may_declare(lua, "sql.client")?;
            let client = Client::new(settings::read(lua, &context, options)?);
            context.databases.borrow_mut().push(Rc::clone(&client));
            let statements = Statements::default();
            Ok(Caller(Rc::new(Shared { client, statements, context })))
        })?,
    )?;
    table.raw_set(
        "bytes",
        lua.create_function(|lua, value: Value| {
            let call = Call::new(lua, "sql.bytes");
            let bytes = call.takes("value", crate::script::options::bytes(&value))?;
            Ok(Marked(Datum::Bytes(bytes)))
        })?,
    )?;
    table.raw_set(
        "json",
        lua.create_function(|lua, value: Value| {
            let text = json::encode(&value).map_err(|error| {
                Call::new(lua, "sql.json").wrong(format!("cannot encode {error}"))
            })?;
            Ok(Marked(Datum::Json(text)))
        })?,
    )?;
    table.raw_set(
        "array",
        lua.create_function(|lua, value: Value| {
            let call = Call::new(lua, "sql.array");
            Ok(Marked(call.takes("items", values::array(&value))?))
        })?,
    )?;
    Ok(Value::Table(table))
}

/// What a client and its transactions have in common.
struct Shared {
    client: Rc<Client>,
    statements: Statements,
    context: Rc<Context>,
}

/// The client object of scripts.
struct Caller(Rc<Shared>);

/// Whether a value is a client.
pub fn is_client(value: &Value) -> bool {
    value.as_userdata().is_some_and(mlua::AnyUserData::is::<Caller>)
}

impl UserData for Caller {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for want in METHODS {
            let call = want.on_client();
            coroutine::method(
                fields,
                want.method(),
                move |lua, this, args: (Value, Value, Value, Value)| {
                    begun::begin(&this.0, lua, *want, call, false, args)
                },
                begun::Begun::run,
            );
        }
        coroutine::method(
            fields,
            "stream",
            |lua, this, args: (Value, Value, Value)| stream::begin(&this.0, lua, &args),
            stream::Begun::run,
        );
        coroutine::method(
            fields,
            "transaction",
            |lua, this, (function, opts): (Value, Value)| {
                transaction::begin(&this.0, lua, &function, &opts)
            },
            transaction::Begun::run,
        );
    }
}
