//! What can be broken about a thing, and how a declaration says it.
//!
//! A link is broken by toxics, which say for themselves what they take; everything else by a
//! [`Kind`]: a name and what can be said about it, as text that is checked when the script is read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{link, process};
use crate::plan::{FaultDecl, ServiceDecl, nearest};
use crate::service::setting::Takes;
use crate::units::parse_duration;
use crate::wire::toxic::{self, Toxic};

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

/// What a fault is on, as far as that says what can be broken about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// A proxy.
    Link,
    /// A service of this kind that the run starts.
    Service(&'a str),
}

/// A fault that can be held: what is done, to the last amount.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// On a proxy.
    Link(Toxic),
    /// To a process.
    Process(process::Break),
}

impl<'a> Thing<'a> {
    /// What the plan calls a proxy among its services.
    pub const PROXY: &'static str = "proxy";

    /// The declared service, or proxy, of that name.
    pub fn declared(name: &str, services: &'a [ServiceDecl]) -> Option<Self> {
        let found = services.iter().find(|known| known.name == name)?;
        Some(if found.kind == Self::PROXY { Self::Link } else { Self::Service(&found.kind) })
    }

    /// What it is, for messages.
    fn called(self) -> String {
        match self {
            Self::Link => "a proxy".to_owned(),
            Self::Service(kind) => format!("a service of kind {kind}"),
        }
    }

    /// What can be broken about it.
    fn kinds(self) -> Vec<&'static str> {
        match self {
            Self::Link => toxic::Kind::ALL.map(toxic::Kind::name).to_vec(),
            Self::Service(_) => process::KINDS.iter().map(|kind| kind.name).collect(),
        }
    }

    /// Something else of which that kind can be broken.
    fn other(kind: &str) -> Option<&'static str> {
        if toxic::Kind::named(kind).is_some() {
            return Some("a fault.proxy that leads to it");
        }
        process::KINDS.iter().any(|known| known.name == kind).then_some("the service itself")
    }
}

/// The fault a declaration is, or what is wrong with it and what to write instead.
pub fn read(fault: &FaultDecl, thing: Thing<'_>) -> Result<Break, Wrong> {
    if !thing.kinds().contains(&fault.kind.as_str()) {
        return Err(unknown(&fault.kind, thing));
    }
    flapping(fault)?;
    match thing {
        Thing::Link => link::read(fault).map(Break::Link),
        Thing::Service(service) => process::read(fault, service).map(Break::Process),
    }
}

fn unknown(kind: &str, thing: Thing<'_>) -> Wrong {
    let called = thing.called();
    let kinds = thing.kinds();
    match (Thing::other(kind), nearest(kind, kinds.iter().copied())) {
        (Some(other), _) => (
            format!("{kind} is nothing that can be done to {called}"),
            format!("it is a fault of {other}"),
        ),
        (None, Some(near)) => (format!("unknown kind {kind:?}"), format!("did you mean {near:?}?")),
        (None, None) => (
            format!("unknown kind {kind:?}"),
            format!("the kinds of {called} are {}", kinds.join(", ")),
        ),
    }
}

/// Why two faults on the same thing cannot stand at the same time, if they cannot.
pub fn contradiction(one: &Break, other: &Break) -> Option<&'static str> {
    match (one, other) {
        (Break::Process(_), _) | (_, Break::Process(_)) => {
            Some("a process that is paused or away can suffer nothing else")
        }
        (Break::Link(one), Break::Link(other)) => {
            let down = [one, other].iter().any(|toxic| toxic.kind == toxic::Kind::Down);
            down.then_some("nothing passes a link that is down")
        }
    }
}

/// A fault that comes and goes has to come and go.
fn flapping(fault: &FaultDecl) -> Result<(), Wrong> {
    let Some(every) = fault.every else { return Ok(()) };
    if every.on >= fault.lasts {
        let hint = "give `for_` room for more than one `on`".to_owned();
        return Err(("every: `on` is as long as the fault itself".to_owned(), hint));
    }
    Ok(())
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

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        seconds(self.text(name)?)
    }
}

/// A time as an amount has it: with a unit, or a bare number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    let bare = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    bare.or_else(|| parse_duration(text).ok())
}
