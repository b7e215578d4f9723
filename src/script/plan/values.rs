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
