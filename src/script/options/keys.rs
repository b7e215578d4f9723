//! Keys that a table should not have, and what was meant by them.

use mlua::{Table, Value};

use super::{shown, string};
use crate::plan::nearest;

/// Options that are what a call is about: what is given by itself is meant as one of them.
pub(super) const MAIN: &[&str] = &["base", "url", "upstream", "cmd"];

/// What other tools call an option or key, and people write, with what it is called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("vus", "users"),
    ("stages", "users"),
    ("rps", "rate"),
    ("qps", "rate"),
    ("exec", "run"),
    ("func", "run"),
    ("target", "to"),
    ("duration", "over"),
    ("host", "base"),
    ("host", "url"),
    ("dsn", "url"),
    ("for", "for_"),
    ("pool", "size"),
    ("pool_size", "size"),
    ("max_connections", "size"),
];

/// What is wrong with each key of `table` that is not in `known`, with the nearest that is.
pub fn unknown_keys(table: &Table, known: &[&str]) -> Vec<String> {
    stray_keys(table, known).into_iter().map(|(_, what)| what).collect()
}

/// [`unknown_keys`], each with the key itself where that is a name.
pub(super) fn stray_keys(table: &Table, known: &[&str]) -> Vec<(Option<String>, String)> {
    let mut unknown = Vec::new();
    let _ = table.for_each(|key: Value, value: Value| {
        let name = string(&key).ok();
        if name.as_deref().is_some_and(|name| known.contains(&name)) {
            return Ok(());
        }
        let what = match &key {
            Value::String(name) => unknown_key(&name.to_string_lossy(), known),
            Value::Integer(_) => format!("{} has no name; expected `key = value`", shown(&value)),
            other => format!("unexpected {} as a key; expected names", shown(other)),
        };
        unknown.push((name, what));
        Ok(())
    });
    unknown.sort_by(|(_, one), (_, other)| one.cmp(other));
    unknown
}

/// The key that was meant by one that is not known.
pub fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let elsewhere = ELSEWHERE.iter().filter(|(word, _)| *word == name);
    let mut here = elsewhere.filter_map(|(_, key)| known.iter().find(|known| *known == key));
    here.next().copied().or_else(|| nearest(name, known.iter().copied()))
}

/// ``unknown key `timeot`; did you mean `timeout`?``
pub fn unknown_key(name: &str, known: &[&str]) -> String {
    match meant(name, known) {
        Some(near) => format!("unknown key `{name}`; did you mean `{near}`?"),
        None => format!("unknown key `{name}`; expected one of: {}", known.join(", ")),
    }
}
