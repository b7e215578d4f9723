//! `loadrun.parallel`: several things of one user at the same time.
//!
//! Each function runs as a coroutine of its own; the call returns when all have ended, with the
//! first result of each in order. An error in one is raised after the others have ended, so that
//! nothing of this iteration runs on into the next.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use mlua::{Function, Lua, MultiValue, Value};

use crate::script::context::Context;
use crate::script::coroutine::{self, Coroutine, first};
use crate::script::options::{self, shown};
use crate::script::traceback::misuse;

/// What a script can call: the module itself.
pub const FUNCTIONS: &[&str] = &["()"];

/// Most functions one call may be given: results are returned on the Lua stack.
const MOST: usize = 200;

/// A coroutine under way, or what came of it.
enum Branch {
    Running(Coroutine),
    Ended(mlua::Result<Value>),
}

/// The function.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let parallel = coroutine::function(
        lua,
        |lua, functions: Value| begin(lua, &functions),
        |branches, _| together(branches),
    )?;
    Ok(Value::Function(parallel))
}

fn begin(lua: &Lua, functions: &Value) -> mlua::Result<Vec<Branch>> {
    let context = Context::of(lua)?;
    context.may_wait(lua, "parallel")?;
    let Value::Table(table) = functions else {
        let what = format!("parallel: expected a list of functions, got {}", shown(functions));
        return Err(misuse(lua, format!("{what}\n  hint: write `parallel {{ first, second }}`")));
    };
    let functions =
        options::items(table).map_err(|what| misuse(lua, format!("parallel: {what}")))?;
    if functions.len() > MOST {
        let what = format!("parallel: at most {MOST} functions, got {}", functions.len());
        return Err(misuse(lua, what));
    }
    let checked = functions.into_iter().enumerate().map(|(index, value)| match value {
        Value::Function(function) => Ok(function),
        other => {
            let what = format!("expected a function, got {}", shown(&other));
            Err(misuse(lua, format!("parallel: item {}: {what}", index + 1)))
        }
    });
    let checked: Vec<Function> = checked.collect::<mlua::Result<_>>()?;
    let branch = |function| Branch::Running(Coroutine::new(lua, &context, function, Value::Nil));
    Ok(checked.into_iter().map(branch).collect())
}

async fn together(mut branches: Vec<Branch>) -> mlua::Result<MultiValue> {
    poll_fn(|cx| {
        let mut running = false;
        for branch in &mut branches {
            if let Branch::Running(call) = branch {
                match Pin::new(call).poll(cx) {
                    Poll::Ready(ended) => *branch = Branch::Ended(ended.map(first)),
                    Poll::Pending => running = true,
                }
            }
        }
        if running { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let ended = branches.into_iter().map(|branch| match branch {
        Branch::Ended(ended) => ended,
        Branch::Running(_) => Ok(Value::Nil),
    });
    ended.collect()
}
