//! Single values of the returned table, read; what is wrong with one comes back as a sentence.

use mlua::{Function, Table, Value};

use crate::plan::Arrivals;
use crate::script::options::{self, shown};

pub(super) fn function(value: &Value) -> Result<Function, String> {
    match value {
        Value::Function(function) => Ok(function.clone()),
        other => Err(format!("expected a function, got {}", shown(other))),
    }
}

pub(super) fn table(value: &Value) -> Result<Table, String> {
    match value {
        Value::Table(table) => Ok(table.clone()),
        other => Err(format!("expected a table, got {}", shown(other))),
    }
}

pub(super) fn arrivals(value: &Value) -> Result<Arrivals, String> {
    match options::string(value).as_deref() {
        Ok("even") => Ok(Arrivals::Even),
        Ok("poisson") => Ok(Arrivals::Poisson),
        _ => Err(format!("expected \"even\" or \"poisson\", got {}", shown(value))),
    }
}

/// A function with its weight; else all that is wrong with the pair.
pub(super) fn weighted(entry: &Value) -> Result<(f64, Function), Vec<String>> {
    let pair = table(entry).map_err(|what| vec![what])?;
    let part = |at: usize| pair.raw_get::<Value>(at).unwrap_or(Value::Nil);
    let weight = options::number(&part(1)).and_then(|weight| {
        let wrong = || format!("expected a weight of 0 or more, got {weight}");
        Some(weight).filter(|weight| *weight >= 0.0).ok_or_else(wrong)
    });
    match (weight, function(&part(2))) {
        (Ok(weight), Ok(function)) => Ok((weight, function)),
        (weight, function) => Err(weight.err().into_iter().chain(function.err()).collect()),
    }
}

/// The items of a list, and what is said of anything else in the table: Lua would leave it out
/// without a word, and with it, say, a threshold.
pub(super) fn items(list: &Table) -> (Vec<Value>, Vec<String>) {
    let items: Vec<Value> = list.sequence_values().flatten().collect();
    let stray = |(key, _): (Value, Value)| match key.as_integer() {
        Some(at) if at >= 1 && at as usize <= items.len() => None,
        Some(at) => Some(format!("expected a list without gaps, got item {at} after a nil")),
        None => Some(format!("expected a list, got the key {}", shown(&key))),
    };
    let mut strays: Vec<String> = list.pairs().flatten().filter_map(stray).collect();
    strays.sort();
    (items, strays)
}
