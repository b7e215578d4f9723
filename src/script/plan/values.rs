//! Single values of the returned table, read; what is wrong with one comes back as a sentence.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlua::{Function, Table, Value};

use crate::plan::{Arrivals, Start};
use crate::script::options::{self, shown};

/// Tags the engine sets by itself.
const OWN_TAGS: &[&str] = &["scenario", "name", "kind", "status", "check", "phase"];

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

pub(super) fn start(value: &Value) -> Result<Start, String> {
    let Value::Table(table) = value else {
        return options::duration(value).map(Start::At);
    };
    if let Some(unknown) = options::unknown_keys(table, &["after"]).first() {
        return Err(unknown.clone());
    }
    let after: Value = table.raw_get("after").map_err(|error| error.to_string())?;
    let name = options::string(&after).map_err(|what| format!("after: {what}"))?;
    Ok(Start::After(Arc::from(name)))
}

pub(super) fn tags(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let pairs = options::pairs(value)?;
    match pairs.iter().find(|(key, _)| OWN_TAGS.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("the tag `{key}` is set by the engine")),
        None => Ok(pairs.into_iter().collect()),
    }
}

pub(super) fn weights(value: &Value) -> Result<Vec<(f64, Function)>, String> {
    let form = "expected a list such as `{ {60, read}, {40, write} }`";
    let (mut mix, mut sum) = (Vec::new(), 0.0);
    let list = table(value).map_err(|_| format!("{form}, got {}", shown(value)))?;
    for (index, item) in items(&list)?.into_iter().enumerate() {
        let wrong = |what: String| format!("entry {}: {what}", index + 1);
        let pair = table(&item).map_err(&wrong)?;
        let part = |at: usize| pair.raw_get::<Value>(at).map_err(|error| wrong(error.to_string()));
        let weight = options::number(&part(1)?).map_err(&wrong)?;
        if weight < 0.0 {
            return Err(wrong(format!("expected a weight of 0 or more, got {weight}")));
        }
        sum += weight;
        mix.push((sum, function(&part(2)?).map_err(&wrong)?));
    }
    if sum > 0.0 { Ok(mix) } else { Err(format!("{form} with a weight above 0")) }
}

/// The items of a list. Anything else in the table is refused: Lua would leave it out without a
/// word, and with it, say, a threshold.
pub(super) fn items(list: &Table) -> Result<Vec<Value>, String> {
    let items: Vec<Value> =
        list.sequence_values().collect::<mlua::Result<_>>().map_err(|error| told(&error))?;
    for pair in list.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| told(&error))?;
        match key.as_integer() {
            Some(at) if at >= 1 && at as usize <= items.len() => {}
            Some(at) => {
                return Err(format!("expected a list without gaps, got item {at} after a nil"));
            }
            None => return Err(format!("expected a list, got the key {}", shown(&key))),
        }
    }
    Ok(items)
}

fn told(error: &mlua::Error) -> String {
    error.to_string()
}
