//! The `profiles` of the returned table: parameters set together, under one name.

use mlua::Value;

use super::{At, Part, Reading, Scripted, sorted, values};
use crate::plan::{Parameter, Profile, nearest};
use crate::script::api::param;
use crate::script::options::{self, shown};

impl Reading<'_> {
    /// Every profile, also those that nobody asked for: what is wrong is told before it is needed.
    pub(super) fn profiles(&mut self, part: &Part<'_>, script: &mut Scripted) {
        let Some(table) = self.field(part, "profiles", values::table) else { return };
        for (name, value) in sorted(&table) {
            let Ok(name) = options::string(&name) else {
                let what = format!("profiles: expected names as keys, got {}", shown(&name));
                self.problem(&[At::Key("profiles")], what, None);
                continue;
            };
            let path = vec![At::Key("profiles"), At::Key(&name)];
            let Value::Table(table) = &value else {
                let what = format!("profile `{name}`: expected a table, got {}", shown(&value));
                let hint = "write `profiles = { quick = { duration = \"3s\" } }`";
                self.problem(&path, what, Some(hint));
                continue;
            };
            let part = Part { table, path, called: format!("profile `{name}`: ") };
            let profile = self.profile(&part, &name, &script.plan.parameters);
            script.plan.profiles.push(profile);
        }
    }

    fn profile(&mut self, part: &Part<'_>, name: &str, parameters: &[Parameter]) -> Profile {
        let mut profile = Profile { name: name.to_owned(), values: Vec::new() };
        for (key, value) in sorted(part.table) {
            let Ok(key) = options::string(&key) else {
                let what = format!("{}expected names as keys, got {}", part.called, shown(&key));
                self.problem(&part.path, what, None);
                continue;
            };
            match setting(&key, &value, parameters) {
                Ok(text) => profile.values.push((key, text)),
                Err(_) if self.may_lack(&key, parameters) => {}
                Err((what, hint)) => {
                    let what = format!("{}{what}", part.called);
                    self.problem(&part.to(At::Key(&key)), what, Some(&hint));
                }
            }
        }
        profile
    }
}

impl Reading<'_> {
    /// Whether a parameter may only be unknown because what declares it went wrong.
    fn may_lack(&self, name: &str, parameters: &[Parameter]) -> bool {
        let known = parameters.iter().any(|parameter| parameter.name == name);
        !known && self.context.mistakes.any()
    }
}

/// The value of a parameter as the command line takes it; else what is wrong, and what would be
/// right.
fn setting(key: &str, value: &Value, parameters: &[Parameter]) -> Result<String, (String, String)> {
    let Some(parameter) = parameters.iter().find(|parameter| parameter.name == key) else {
        let names = || parameters.iter().map(|parameter| parameter.name.as_str());
        let hint = match nearest(key, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if parameters.is_empty() => "the script declares none".to_owned(),
            None => format!("the script declares: {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err((format!("unknown parameter `{key}`"), hint));
    };
    if parameter.secret {
        let hint = "give it with -p or in the environment";
        return Err((format!("{key}: a secret does not stand in a script"), hint.to_owned()));
    }
    let like = format!("its default is {}", parameter.default);
    let text = options::scalar(value).map_err(|what| (format!("{key}: {what}"), like.clone()))?;
    if param::fits(&text, &parameter.default) {
        Ok(text)
    } else {
        Err((format!("{key}: {} is of another type than the parameter", shown(value)), like))
    }
}
