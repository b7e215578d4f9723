//! The `watch` of the returned table: processes of this machine that are looked at during the run.

use mlua::Value;

use super::{At, Part, Reading, Scripted, values};
use crate::plan::WatchDecl;
use crate::script::options::{self, shown};

/// Keys of a process.
const WATCH: &[&str] = &["name", "pid"];
/// What an entry looks like.
const FORM: &str = "write `watch = { { pid = 4711, name = \"shop\" } }`";

impl Reading<'_> {
    /// A list of processes, or one by itself.
    pub(super) fn watch(&mut self, part: &Part<'_>, script: &mut Scripted) {
        let Some(list) = self.field(part, "watch", values::table) else { return };
        if WATCH.iter().any(|key| list.raw_get::<Value>(*key).is_ok_and(|value| !value.is_nil())) {
            let (path, called) = (vec![At::Key("watch")], "watch: ".to_owned());
            return self.watched(&Part { table: &list, path, called }, script);
        }
        let (items, _) = self.items(&list, &[At::Key("watch")], "watch: ", FORM);
        for (index, item) in items.into_iter().enumerate() {
            let path = vec![At::Key("watch"), At::Item(index + 1)];
            let Value::Table(table) = &item else {
                let what = format!("watch: expected a table, got {}", shown(&item));
                self.problem(&path, what, Some(FORM));
                continue;
            };
            let called = format!("watch: entry {}: ", index + 1);
            self.watched(&Part { table, path, called }, script);
        }
    }

    fn watched(&mut self, part: &Part<'_>, script: &mut Scripted) {
        self.unknown_keys(part, WATCH);
        let name = self.needed(part, "name", named, "what it is called in the results");
        let pid = self.needed(part, "pid", pid, "its number on this machine");
        let place = self.place(&part.path);
        let declared = name.zip(pid).map(|(name, pid)| WatchDecl { name, pid, place });
        script.plan.watch.extend(declared);
    }
}

fn named(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err("a name needs a visible character, and no control characters".to_owned());
    }
    Ok(name)
}

fn pid(value: &Value) -> Result<u32, String> {
    let number = options::count(value)?;
    u32::try_from(number)
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or_else(|| format!("expected the number of a process, got {number}"))
}
