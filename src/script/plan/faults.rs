//! The `faults` of the returned table: what is broken, when, and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Table, Value};

use super::{At, Part, Reading, Scripted, values};
use crate::fault;
use crate::plan::FaultDecl;
use crate::script::api::fault::{KIND, calls_of};
use crate::script::api::service;
use crate::script::calls::Calls;
use crate::script::context::Context;
use crate::script::options::{self, shown};
use crate::units::parse_share;

/// Keys of a fault that are not amounts of its kind.
const FAULT: &[&str] = &["at", "for_", "kind", "name", "on", "stream", "toxicity"];

impl Reading<'_> {
    pub(super) fn faults(&mut self, part: &Part<'_>, script: &mut Scripted) {
        let Some(list) = self.field(part, "faults", values::table) else { return };
        let items = values::items(&list).unwrap_or_else(|what| {
            let hint =
                "write `faults = { { at = \"30s\", for_ = \"10s\", on = link, kind = ... } }`";
            self.problem(&[At::Key("faults")], format!("faults: {what}"), Some(hint));
            Vec::new()
        });
        for (index, item) in items.into_iter().enumerate() {
            let path = vec![At::Key("faults"), At::Item(index + 1)];
            let Value::Table(table) = &item else {
                let what = format!("faults: expected a table, got {}", shown(&item));
                self.problem(&path, what, None);
                continue;
            };
            let called = format!("fault {}: ", index + 1);
            if let Some(fault) = self.fault(&Part { table, path, called }, script) {
                script.plan.faults.push(fault);
            }
        }
    }

    fn fault(&mut self, part: &Part<'_>, script: &Scripted) -> Option<FaultDecl> {
        if let Some(calls) = part.table.raw_get("on").ok().and_then(|on| calls_of(&on)) {
            return self.on_calls(part, script, &calls);
        }
        let place = self.place(&part.path);
        let kind = self.needed(part, "kind", options::string, "\"latency\"");
        let context = self.context;
        let on = self.needed(part, "on", |value| link(context, value), "a fault.proxy");
        let at = self.needed(part, "at", options::duration, "\"30s\"");
        let lasts = self.needed(part, "for_", lease, "\"10s\", which no fault is without");
        let name = self.field(part, "name", options::string);
        let stream = self.field(part, "stream", options::string);
        let toxicity = self.field(part, "toxicity", share);
        let (kind, on, at, lasts) = (kind?, on?, at?, lasts?);
        let fault = FaultDecl {
            name: self.name_of_fault(part, script, name, &kind),
            stream: stream.unwrap_or_else(|| "downstream".to_owned()),
            toxicity: toxicity.unwrap_or(1.0),
            amounts: self.amounts(part),
            kind,
            on,
            at,
            lasts,
            place,
        };
        self.check(part, &fault);
        Some(fault)
    }

    /// A fault on the script's own calls: what it does is said where it is declared.
    fn on_calls(
        &mut self,
        part: &Part<'_>,
        script: &Scripted,
        calls: &Arc<Calls>,
    ) -> Option<FaultDecl> {
        let place = self.place(&part.path);
        let at = self.needed(part, "at", options::duration, "\"30s\"");
        let lasts = self.needed(part, "for_", lease, "\"10s\", which no fault is without");
        let name = self.field(part, "name", options::string);
        let known = ["at", "for_", "kind", "name", "on"];
        for what in options::unknown_keys(part.table, &known) {
            let what = format!("{}{what}", part.called);
            let hint = "what happens to the calls is said in `fault.calls`";
            self.problem(&part.path, what, Some(hint));
        }
        if let Some(kind) = self.field(part, "kind", options::string)
            && kind != Calls::KIND
        {
            let what = format!("{}kind: expected {:?}, got {kind:?}", part.called, Calls::KIND);
            let hint = "the kinds of links are for what `fault.proxy` gave";
            self.problem(&part.to(At::Key("kind")), what, Some(hint));
        }
        Some(FaultDecl {
            name: self.name_of_fault(part, script, name, Calls::KIND),
            on: calls.name().to_owned(),
            kind: Calls::KIND.to_owned(),
            at: at?,
            lasts: lasts?,
            stream: "both".to_owned(),
            toxicity: 1.0,
            amounts: calls.words().into_iter().collect(),
            place,
        })
    }

    /// What a fault is called: as it says, or by its kind.
    fn name_of_fault(
        &mut self,
        part: &Part<'_>,
        script: &Scripted,
        given: Option<String>,
        kind: &str,
    ) -> String {
        let taken = |name: &String| script.plan.faults.iter().any(|fault| fault.name == *name);
        if let Some(name) = given.as_ref().filter(|name| taken(name)) {
            let what = format!("{}there is a fault {name:?} already", part.called);
            self.problem(&part.to(At::Key("name")), what, None);
        }
        let numbered = (2..).map(|number| format!("{kind}-{number}"));
        let mut usual = [kind.to_owned()].into_iter().chain(numbered);
        given.or_else(|| usual.find(|name| !taken(name))).unwrap_or_default()
    }

    /// A value that has to be there.
    fn needed<T>(
        &mut self,
        part: &Part<'_>,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        form: &str,
    ) -> Option<T> {
        if part.table.raw_get::<Value>(key).is_ok_and(|value| value.is_nil()) {
            let what = format!("{}no `{key}`", part.called);
            self.problem(&part.path, what, Some(&format!("add `{key} = ...`: {form}")));
            return None;
        }
        self.field(part, key, read)
    }

    /// Everything else that is said is an amount of the kind.
    fn amounts(&mut self, part: &Part<'_>) -> BTreeMap<String, String> {
        let mut amounts = BTreeMap::new();
        for (key, value) in pairs(part.table) {
            if FAULT.contains(&key.as_str()) {
                continue;
            }
            match options::scalar(&value) {
                Ok(text) => drop(amounts.insert(key, text)),
                Err(what) => {
                    let what = format!("{}{key}: {what}", part.called);
                    self.problem(&part.to(At::Key(&key)), what, None);
                }
            }
        }
        amounts
    }

    /// Whether the kind, and what is said about it, make sense.
    fn check(&mut self, part: &Part<'_>, fault: &FaultDecl) {
        if let Err((what, hint)) = fault::toxic(fault) {
            let what = format!("{}{what}", part.called);
            self.problem(&part.to(At::Key("kind")), what, Some(&hint));
        }
    }
}

/// The name of a proxy.
fn link(context: &Context, value: &Value) -> Result<String, String> {
    let declared = context.declared.borrow();
    let proxy = |name: &String| {
        declared.services.iter().any(|known| known.name == *name && known.kind == KIND)
    };
    let expected = "expected what fault.proxy gave";
    match service::name_of(value) {
        Some(name) if proxy(&name) => Ok(name),
        Some(name) => Err(format!("{expected}, got the service {name:?} itself")),
        None => Err(format!("{expected}, got {}", shown(value))),
    }
}

/// Named values of a table.
fn pairs(table: &Table) -> Vec<(String, Value)> {
    let pairs = table.pairs::<Value, Value>().flatten();
    pairs.filter_map(|(key, value)| Some((options::string(&key).ok()?, value))).collect()
}

fn lease(value: &Value) -> Result<Duration, String> {
    match options::duration(value)? {
        Duration::ZERO => Err("expected a time above 0".to_owned()),
        lease => Ok(lease),
    }
}

fn share(value: &Value) -> Result<f64, String> {
    parse_share(&options::scalar(value)?).map_err(|error| error.to_string())
}
