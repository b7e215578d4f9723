//! A declared service in a script's hands, of whatever kind.
//!
//! The n-th declaration of a kind is the same service in every Lua state, because every state
//! loads the same file. The control state's declarations go into the plan, the engine starts what
//! is in the plan, and where each one is appears in the world. Clients take the service itself as
//! their address ([`address`]): it is declared before anybody knows where it will be.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use mlua::{IntoLua, Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use crate::plan::ServiceDecl;
use crate::script::api::sandbox::Sandbox;
use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::mistakes;
use crate::script::world::Whereabouts;

/// A service that the engine starts for the run.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the run; without one of its own: `redis`, `redis-2`, ... as declared.
    name: String,
    /// Known once the engine has started it.
    found: Whereabouts,
}

/// What a script says of a service it declares.
#[derive(Debug, Default)]
pub struct Declaration {
    /// The kind of service.
    pub kind: &'static str,
    /// The name the script gives it.
    pub name: Option<String>,
    /// Its settings.
    pub options: BTreeMap<String, String>,
    /// Settings that are shown nowhere.
    pub secrets: BTreeMap<String, String>,
}

impl Service {
    /// Declares a service; the engine starts it before `setup`. An error says that the name is
    /// taken.
    pub fn declare(lua: &Lua, declaration: Declaration) -> mlua::Result<Result<Self, String>> {
        let Declaration { kind, name, options, secrets } = declaration;
        let context = Context::of(lua)?;
        let mut declared = context.declared.borrow_mut();
        let taken = |name: &String| declared.services.iter().any(|known| known.name == *name);
        let nth = declared.services.iter().filter(|service| service.kind == kind).count() + 1;
        let numbered = (nth.max(2)..).map(|number| format!("{kind}-{number}"));
        let mut usual = (nth == 1).then(|| kind.to_owned()).into_iter().chain(numbered);
        let name = match name {
            Some(name) if taken(&name) => {
                return Ok(Err(format!("name: there is a service {name:?} already")));
            }
            Some(name) => name,
            None => usual.find(|name| !taken(name)).unwrap_or_default(),
        };
        declared.services.push(ServiceDecl {
            name: name.clone(),
            kind: kind.to_owned(),
            options,
            secrets,
            place: Some(context.world.source.caller(lua)),
        });
        Ok(Ok(Self { found: context.world.service(&name), name }))
    }

    /// Its name in the run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the service a value is, of whatever kind.
    pub fn named(value: &Value) -> Option<String> {
        Self::of(value).map(|service| service.name)
    }

    fn of(value: &Value) -> Option<Self> {
        let data = value.as_userdata()?;
        let service = data.borrow::<Self>().map(|service| service.clone()).ok();
        service.or_else(|| Some(data.borrow::<Sandbox>().ok()?.as_ref().clone()))
    }

    /// Its URL, empty until it has been started.
    pub fn url(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.found.url)
    }

    /// The fields every service has.
    pub fn fields<T: AsRef<Self>>(fields: &mut impl UserDataFields<T>) {
        fields.add_field_method_get("name", |_, this| Ok(this.as_ref().name.clone()));
        fields.add_field_method_get("url", |lua, this| {
            given(lua, this.as_ref().known(lua, "service.url"))
        });
        fields.add_field_method_get("address", |lua, this| {
            let url = this.as_ref().known(lua, "service.address");
            given(lua, url.map(|url| authority(&url).to_owned()))
        });
        fields.add_field_method_get("pid", |lua, this| match this.as_ref().found.pid() {
            0 => given(lua, this.as_ref().known(lua, "service.pid").map(|_| 0)),
            pid => pid.into_lua(lua),
        });
    }

    /// Its URL as text, or what it is called while it has none.
    pub fn shown(&self) -> String {
        let url = self.found.url.get().cloned();
        url.unwrap_or_else(|| format!("{} (not started)", self.name))
    }

    fn known(&self, lua: &Lua, field: &'static str) -> mlua::Result<String> {
        let wrong = |what: &str, hint: &str| {
            Err(Call::new(lua, field).wrong(format!("{what}\n  hint: {hint}")))
        };
        match self.found.url.get() {
            Some(url) if url.is_empty() => {
                let hint = "give `service.command` a `url`, or have its ready line end in one";
                wrong("this service has not said where it is", hint)
            }
            Some(url) => Ok(url.clone()),
            None => {
                let hint = "read it in `setup`, `init`, `run` or `teardown`; a client takes the \
                            service itself as its address";
                wrong("is known once the run has begun", hint)
            }
        }
    }
}

/// What a field has; that it has nothing yet is a mistake like that of a call.
fn given(lua: &Lua, found: mlua::Result<impl IntoLua>) -> mlua::Result<Value> {
    match found {
        Ok(found) => found.into_lua(lua),
        Err(error) => mistakes::instead(lua, error),
    }
}

impl AsRef<Self> for Service {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl UserData for Service {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        Self::fields(fields);
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.shown()));
    }
}

/// Where the service a script gave as an address is, as a URL that is set before any user runs;
/// `None` for a value that is no service.
pub fn address(value: &Value) -> Option<Arc<OnceLock<String>>> {
    Service::of(value).map(|service| service.url())
}

/// The name of a service; `None` for a value that is none.
pub fn name_of(value: &Value) -> Option<String> {
    let data = value.as_userdata()?;
    if let Ok(service) = data.borrow::<Service>() {
        return Some(service.name.clone());
    }
    Some(data.borrow::<Sandbox>().ok()?.as_ref().name.clone())
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_of_the_url() {
        for url in ["http://127.0.0.1:80", "redis://:p%40ss@127.0.0.1:80/0", "127.0.0.1:80"] {
            assert_eq!(authority(url), "127.0.0.1:80");
        }
    }
}
