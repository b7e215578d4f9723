//! What can be said about a fault that is on no link, and what was.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::{FaultDecl, nearest};
use crate::service::setting::Takes;
use crate::units::parse_duration;

/// What is wrong with a fault, and what to write instead.
pub type Wrong = (String, String);

/// A way to break what is no link.
#[derive(Debug)]
pub struct Kind {
    /// What scripts call it.
    pub name: &'static str,
    /// What can be said about it.
    pub fields: &'static [Field],
}

/// Something that can be said about a kind.
#[derive(Debug)]
pub struct Field {
    /// What scripts call it.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether the kind makes no sense without it.
    pub needed: bool,
}

/// What was said about a fault, checked against what its kind takes. `beside` begins the names of
/// what is read elsewhere.
pub(super) fn checked<'a>(
    fault: &'a FaultDecl,
    kinds: &[Kind],
    beside: &str,
) -> Result<Said<'a>, Wrong> {
    let fields = kinds.iter().find(|kind| kind.name == fault.kind).map_or(&[][..], |k| k.fields);
    let own = fault.amounts.iter().filter(|(name, _)| !name.starts_with(beside));
    for (name, text) in own {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| stray(&fault.kind, name, fields))?;
        let bare = field.takes == Takes::Duration && seconds(text).is_some();
        let read = if bare { Ok(()) } else { field.takes.check(text) };
        let hint = || format!("{} takes {}", fault.kind, told(fields));
        read.map_err(|what| (format!("{name}: {what}"), hint()))?;
    }
    match fields.iter().find(|field| field.needed && !fault.amounts.contains_key(field.name)) {
        Some(Field { name, .. }) => {
            Err((format!("{} needs its {name}", fault.kind), format!("add `{name} = ...`")))
        }
        None => Ok(Said(&fault.amounts)),
    }
}

fn stray(kind: &str, name: &str, fields: &[Field]) -> Wrong {
    let known: Vec<_> = fields.iter().map(|field| field.name).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "it takes nothing".to_owned(),
        None => format!("it takes {}", told(fields)),
    };
    (format!("{kind} has no `{name}`"), hint)
}

fn told(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// What was said about a fault, after it was checked.
pub(super) struct Said<'a>(&'a BTreeMap<String, String>);

impl Said<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        seconds(self.text(name)?)
    }
}

/// A time as an amount has it: with a unit, or a bare number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    let bare = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    bare.or_else(|| parse_duration(text).ok())
}
