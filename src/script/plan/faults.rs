//! The `faults` of the returned table: what is broken, when, and for how long.

use mlua::Value;

use super::{At, Part, Reading, Scripted, values};
use crate::fault::{Thing, contradiction, read};
use crate::plan::{FaultDecl, Place};
use crate::script::fault::{Saying, Trouble, numbered, several};
use crate::script::options::{self, shown};

/// What a fault can be on.
const ON: &str = "a fault.proxy, a service, a URL or what fault.calls gave";

impl Reading<'_> {
    pub(super) fn faults(&mut self, part: &Part<'_>, script: &mut Scripted) {
        let Some(list) = self.field(part, "faults", values::table) else { return };
        let hint = "write `faults = { { at = \"30s\", for_ = \"10s\", on = link, kind = ... } }`";
        let (items, _) = self.items(&list, &[At::Key("faults")], "faults: ", hint);
        for (index, item) in items.into_iter().enumerate() {
            let path = vec![At::Key("faults"), At::Item(index + 1)];
            let Value::Table(table) = &item else {
                let what = format!("faults: expected a table, got {}", shown(&item));
                self.problem(&path, what, None);
                continue;
            };
            let called = format!("fault {}: ", index + 1);
            let part = Part { table, path, called };
            let on = table.raw_get::<Value>("on").unwrap_or(Value::Nil);
            // Each of several things has a fault of its own, of the same moment.
            let things = several(&on).unwrap_or_else(|what| {
                self.problem(&part.path, format!("{}on: {what}", part.called), None);
                Vec::new()
            });
            for (nth, on) in things.iter().enumerate() {
                if let Some(fault) = self.fault(&part, on, script) {
                    let fault = self.named(&part, numbered(fault, nth), script);
                    script.plan.faults.push(fault);
                }
            }
        }
    }

    /// A fault on one thing; its name is empty where it has none of its own.
    fn fault(&mut self, part: &Part<'_>, on: &Value, script: &Scripted) -> Option<FaultDecl> {
        let mut saying = Saying::new(part.table, self.context);
        let at = saying.needed("at", options::duration, "\"30s\"");
        let place = self.place(&part.path);
        if on.is_nil() {
            saying.needed("on", options::string, ON);
        }
        let on = Some(on).filter(|on| !on.is_nil());
        let fault = saying.read(on, at.unwrap_or_default(), place);
        let troubles = std::mem::take(&mut saying.troubles);
        let sound = troubles.is_empty();
        self.troubles(part, troubles);
        at?;
        let fault = fault?;
        if sound {
            self.agrees(part, &fault, script);
        }
        Some(fault)
    }

    fn troubles(&mut self, part: &Part<'_>, troubles: Vec<Trouble>) {
        for Trouble { key, what, hint } in troubles {
            let key = key.as_deref();
            let path = key.map_or_else(|| part.path.clone(), |key| part.to(At::Key(key)));
            self.problem(&path, format!("{}{what}", part.called), hint.as_deref());
        }
    }

    /// The fault with a name that no other has.
    fn named(&mut self, part: &Part<'_>, fault: FaultDecl, script: &Scripted) -> FaultDecl {
        let taken = |name: &str| script.plan.faults.iter().any(|fault| fault.name == *name);
        if !fault.name.is_empty() {
            if taken(&fault.name) {
                let what = format!("{}there is a fault {:?} already", part.called, fault.name);
                self.problem(&part.to(At::Key("name")), what, None);
            }
            return fault;
        }
        let numbered = (2..).map(|number| format!("{}-{number}", fault.kind));
        let name = [fault.kind.clone()].into_iter().chain(numbered).find(|name| !taken(name));
        FaultDecl { name: name.unwrap_or_default(), ..fault }
    }

    /// Whether it can stand beside those before it.
    fn agrees(&mut self, part: &Part<'_>, fault: &FaultDecl, script: &Scripted) {
        let declared = self.context.declared.borrow();
        let how =
            |fault: &FaultDecl| read(fault, Thing::of(&fault.on, &declared.services).ok()?).ok();
        let against = script.plan.faults.iter().find_map(|other| {
            let overlap = other.at < fault.end() && fault.at < other.end();
            let why = contradiction(&how(other)?, &how(fault)?)?;
            (overlap && other.on == fault.on).then(|| {
                let Place { line, .. } = other.place;
                format!("it contradicts the fault {:?} of line {line}: {why}", other.name)
            })
        });
        drop(declared);
        if let Some(what) = against {
            let what = format!("{}{what}", part.called);
            self.problem(&part.path, what, Some("let one end before the other begins"));
        }
    }
}
