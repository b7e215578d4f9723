//! A fault as a script says it, in the `faults` of what it returns or while it runs: one table of
//! the same keys, read in the same way, with everything that is wrong with it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use mlua::{Table, Value};

use super::api::fault::calls_of;
use super::api::redis::link as redis_link;
use super::api::{http, service, sql};
use super::calls::Calls;
use super::context::Context;
use super::options::{self, shown, unknown_keys};
use crate::client::sql::passwords;
use crate::fault::{self, Break, CALLS, Thing, WITH};
use crate::plan::{Every, FaultDecl, Place, nearest};
use crate::units::parse_share;

/// Keys of a fault that are not amounts of its kind.
const OWN: &[&str] = &["at", "every", "for_", "kind", "name", "on", "stream", "toxicity", "with"];

/// Keys of a fault on calls.
const OF_CALLS: &[&str] = &["at", "every", "for_", "kind", "name", "on"];

/// Keys that only a fault of a link has.
const OF_LINKS: &[&str] = &["stream", "toxicity"];

/// Something that is wrong with a fault.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The key it is about; `None` for the whole table.
    pub(super) key: Option<String>,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

/// A table that says a fault, and what was wrong with it so far.
pub(super) struct Saying<'a> {
    table: &'a Table,
    context: &'a Context,
    /// Keys that were meant for others, and are amounts of nothing.
    mistaken: Vec<String>,
    pub(super) troubles: Vec<Trouble>,
}

impl<'a> Saying<'a> {
    pub(super) fn new(table: &'a Table, context: &'a Context) -> Self {
        Self { table, context, mistaken: Vec::new(), troubles: Vec::new() }
    }

    /// The fault, as far as it can be told: on what `on` says (`None` where that it is missing has
    /// been told), from `at` on; its name is empty where the script gives none.
    pub(super) fn read(
        &mut self,
        on: Option<&Value>,
        at: Duration,
        place: Place,
    ) -> Option<FaultDecl> {
        if let Some(calls) = on.and_then(calls_of) {
            return self.on_calls(&calls, at, place);
        }
        if on.is_some_and(|on| self.context.mistakes.left_out(on)) {
            // What can be said of it, and has to be, is not known either.
            self.lasts();
            self.every();
            return None;
        }
        let kind = self.needed("kind", options::string, "\"latency\"");
        let on = on.map(|on| subject(self.context, on)).transpose();
        let on = on.map_err(|what| self.wrong("on", format!("on: {what}"))).ok().flatten();
        let lasts = self.lasts();
        let every = self.every();
        let name = self.value("name", options::string);
        let stream = self.value("stream", options::string);
        let toxicity = self.value("toxicity", share);
        let amounts = self.amounts();
        // Without these two nothing can be said of the rest; without its time it can.
        let (kind, on) = match (kind?, on) {
            (kind, Some(on)) => (kind, on),
            (kind, None) => {
                if let Err((what, hint)) = fault::exists(&kind) {
                    let (key, hint) = (Some("kind".to_owned()), Some(hint));
                    self.troubles.push(Trouble { key, what, hint });
                }
                return None;
            }
        };
        let fault = FaultDecl {
            name: name.unwrap_or_default(),
            stream: stream.unwrap_or_else(|| "downstream".to_owned()),
            toxicity: toxicity.unwrap_or(1.0),
            amounts,
            every,
            kind,
            on,
            at,
            lasts: lasts.unwrap_or(Duration::MAX),
            place,
        };
        self.check(&fault);
        lasts.map(|_| fault)
    }

    /// How it comes and goes meanwhile.
    fn every(&mut self) -> Option<Every> {
        let table = self.value("every", |value| match value {
            Value::Table(table) => Ok(table.clone()),
            other => Err(format!("expected {{ on = \"1s\", off = \"2s\" }}, got {}", shown(other))),
        })?;
        for what in unknown_keys(&table, &["off", "on"]) {
            self.wrong("every", format!("every: {what}"));
        }
        let [on, off] = ["on", "off"].map(|key| {
            let value = table.raw_get::<Value>(key).unwrap_or(Value::Nil);
            lease(&value).map_err(|what| self.wrong("every", format!("every: {key}: {what}"))).ok()
        });
        Some(Every { on: on?, off: off? })
    }

    /// A fault on the script's own calls: what it does is said where they are declared.
    fn on_calls(&mut self, calls: &Calls, at: Duration, place: Place) -> Option<FaultDecl> {
        let lasts = self.lasts();
        let every = self.every();
        let name = self.value("name", options::string);
        for what in unknown_keys(self.table, OF_CALLS) {
            if self.troubles.iter().any(|told| told.what == what) {
                continue;
            }
            let hint = Some("what happens to the calls is said in `fault.calls`".to_owned());
            self.troubles.push(Trouble { key: None, what, hint });
        }
        if let Some(kind) = self.value("kind", options::string)
            && kind != CALLS
        {
            let what = format!("kind: expected {CALLS:?}, got {kind:?}");
            let hint = Some("the kinds of links are for what `fault.proxy` gave".to_owned());
            self.troubles.push(Trouble { key: Some("kind".to_owned()), what, hint });
        }
        Some(FaultDecl {
            name: name.unwrap_or_default(),
            on: calls.name().to_owned(),
            kind: CALLS.to_owned(),
            at,
            lasts: lasts?,
            every,
            stream: "both".to_owned(),
            toxicity: 1.0,
            amounts: calls.words().into_iter().collect(),
            place,
        })
    }

    /// How long it lasts at most.
    pub(super) fn lasts(&mut self) -> Option<Duration> {
        self.needed("for_", lease, "how long it lasts at most, such as \"10s\"")
    }

    /// Whether the kind, and what is said about it, make sense.
    fn check(&mut self, fault: &FaultDecl) {
        let declared = self.context.declared.borrow();
        let thing = match Thing::of(&fault.on, &declared.services) {
            Ok(thing) => thing,
            Err((what, hint)) => {
                let (key, what) = (Some("on".to_owned()), format!("on: {what}"));
                return self.troubles.push(Trouble { key, what, hint: Some(hint) });
            }
        };
        let read = fault::read(fault, thing);
        let per_request = matches!(&read, Ok(Break::Link(toxic)) if !toxic.per.is_connection());
        let on = declared.services.iter().find(|known| known.name == fault.on);
        let unframed = on.filter(|on| per_request && !on.options.contains_key("protocol"));
        let unframed = unframed.map(|on| on.options.contains_key("within"));
        let strays = OF_LINKS.iter().filter(|_| thing != Thing::Link);
        let strays: Vec<_> =
            strays.filter(|key| self.table.contains_key(**key).is_ok_and(|is| is)).collect();
        drop(declared);
        for key in strays {
            self.wrong(key, format!("{key}: only a link has a {key}"));
        }
        if let Err((what, hint)) = read {
            let (key, hint) = (Some("kind".to_owned()), Some(hint));
            self.troubles.push(Trouble { key, what, hint });
        }
        if let Some(within) = unframed {
            let key = if fault.amounts.contains_key("per") { "per" } else { "match" };
            let what = format!("{key}: nothing says what a request is on this link");
            let hint = if within {
                "it is known on a client's connections but for TLS and HTTP/2: leave `per` and `match` \
                 out, and the fault is for whole connections"
            } else {
                "give its fault.proxy a `protocol`: \"redis\", \"http\" or \"postgres\""
            };
            let (key, hint) = (Some(key.to_owned()), Some(hint.to_owned()));
            self.troubles.push(Trouble { key, what, hint });
        }
    }

    /// A value that has to be there.
    pub(super) fn needed<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        form: &str,
    ) -> Option<T> {
        if !self.table.raw_get::<Value>(key).is_ok_and(|value| value.is_nil()) {
            return self.value(key, read);
        }
        let others = pairs(self.table).into_iter().map(|(other, _)| other);
        let mut others = others.filter(|other| !OWN.contains(&other.as_str()));
        if let Some(other) = others.find(|other| nearest(other, [key]).is_some()) {
            let what = format!("unknown key `{other}`; did you mean `{key}`?");
            self.wrong(&other, what);
            self.mistaken.push(other);
        } else {
            let hint = Some(format!("add `{key} = ...`: {form}"));
            self.troubles.push(Trouble { key: None, what: format!("no `{key}`"), hint });
        }
        None
    }

    /// A value that may be there.
    fn value<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value: Value = self.table.raw_get(key).ok()?;
        if value.is_nil() {
            return None;
        }
        let read = read(&value);
        read.map_err(|what| self.wrong(key, format!("{key}: {what}"))).ok()
    }

    fn wrong(&mut self, key: &str, what: String) {
        self.troubles.push(Trouble { key: Some(key.to_owned()), what, hint: None });
    }

    /// Everything else that is said is an amount of the kind.
    fn amounts(&mut self) -> BTreeMap<String, String> {
        let mut amounts = BTreeMap::new();
        for (key, value) in pairs(self.table) {
            if OWN.contains(&key.as_str()) || self.mistaken.contains(&key) {
                continue;
            }
            match options::scalar(&value) {
                Ok(text) => drop(amounts.insert(key, text)),
                Err(what) => self.wrong(&key, format!("{key}: {what}")),
            }
        }
        let with = self.value("with", options::pairs).unwrap_or_default();
        amounts.extend(with.into_iter().map(|(key, text)| (format!("{WITH}{key}"), text)));
        amounts
    }
}

/// What a value names: a fault on calls, a service of the run, a proxy or client included, or a
/// server by its URL.
pub(super) fn subject(context: &Context, value: &Value) -> Result<String, String> {
    if let Some(calls) = calls_of(value) {
        return Ok(calls.name().to_owned());
    }
    if sql::is_client(value) {
        let what = "a link to a database is a fault.proxy, which the client has as its `url`";
        return Err(what.to_owned());
    }
    let link = http::link(value).map(Ok).or_else(|| redis_link(value));
    if let Some(found) = link.or_else(|| service::name_of(value).map(Ok)) {
        return found;
    }
    let url = options::string(value).ok().filter(|text| text.contains("://"));
    let url = url.ok_or_else(|| {
        let is_empty = matches!(value, Value::Table(list) if list.is_empty());
        let shown = if is_empty { "an empty list".to_owned() } else { shown(value) };
        format!(
            "expected a fault.proxy, a client, a service or the URL of a server, such as \
             \"redis://127.0.0.1:6379\", got {shown}"
        )
    })?;
    for password in passwords(&url) {
        context.world.log.secrets.add(&password);
    }
    Ok(url)
}

/// What a fault is on: each of a list, or one thing, or nothing.
pub(super) fn several(on: &Value) -> Result<Vec<Value>, String> {
    match on {
        Value::Table(list) if list.raw_len() > 0 => options::items(list),
        on => Ok(vec![on.clone()]),
    }
}

/// The fault on the thing at this place of a list, from 0: each has a name of its own.
pub(super) fn numbered(mut fault: FaultDecl, nth: usize) -> FaultDecl {
    if nth > 0 && !fault.name.is_empty() {
        fault.name = format!("{}-{}", fault.name, nth + 1);
    }
    fault
}

/// Named values of a table.
fn pairs(table: &Table) -> Vec<(String, Value)> {
    let pairs = table.pairs::<Value, Value>().flatten();
    pairs.filter_map(|(key, value)| Some((options::string(&key).ok()?, value))).collect()
}

/// A time that is not none.
pub(super) fn lease(value: &Value) -> Result<Duration, String> {
    match options::duration(value)? {
        Duration::ZERO => Err("expected a time above 0".to_owned()),
        lease => Ok(lease),
    }
}

pub(super) fn share(value: &Value) -> Result<f64, String> {
    parse_share(&options::scalar(value)?).map_err(|error| error.to_string())
}
