//! A declared service in a script's hands, of whatever kind.
//!
//! The n-th declaration of a kind is the same service in every Lua state, because every state
//! loads the same file. The control state's declarations go into the plan, the engine starts what
//! is in the plan, and where each one is appears in the world. Clients take the service itself as
//! their address ([`address`]): it is declared before anybody knows where it will be.

use std::sync::{Arc, OnceLock};

use mlua::{Lua, UserDataFields, Value};

use super::sandbox::Sandbox;
use crate::plan::ServiceDecl;
use crate::script::call::Call;
use crate::script::context::Context;
use crate::script::world::Whereabouts;

/// A service that the engine starts for the run.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the run; without one of its own: `redis`, `redis-2`, ... as declared.
    name: String,
    /// Known once the engine has started it.
    found: Whereabouts,
}

impl Service {
    /// Declares a service; the engine starts it before `setup`.
    pub fn declare(context: &Context, kind: &str, options: Vec<(String, String)>) -> Self {
        let mut declared = context.declared.borrow_mut();
        let nth = declared.services.iter().filter(|service| service.kind == kind).count() + 1;
        let name = if nth == 1 { kind.to_owned() } else { format!("{kind}-{nth}") };
        declared.services.push(ServiceDecl {
            name: name.clone(),
            kind: kind.to_owned(),
            options: options.into_iter().collect(),
        });
        Self { found: context.world.service(&name), name }
    }

    /// Its URL, empty until it has been started.
    pub fn url(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.found.url)
    }

    /// The fields every service has.
    pub fn fields<T: AsRef<Self>>(fields: &mut impl UserDataFields<T>) {
        fields.add_field_method_get("name", |_, this| Ok(this.as_ref().name.clone()));
        fields.add_field_method_get("url", |lua, this| this.as_ref().known(lua, "service.url"));
        fields.add_field_method_get("address", |lua, this| {
            let url = this.as_ref().known(lua, "service.address")?;
            Ok(authority(&url).to_owned())
        });
        fields.add_field_method_get("pid", |lua, this| {
            this.as_ref().known(lua, "service.pid")?;
            Ok(this.as_ref().found.pid())
        });
    }

    /// Its URL as text, or what it is called while it has none.
    pub fn shown(&self) -> String {
        let url = self.found.url.get().cloned();
        url.unwrap_or_else(|| format!("{} (not started)", self.name))
    }

    fn known(&self, lua: &Lua, field: &'static str) -> mlua::Result<String> {
        self.found.url.get().cloned().ok_or_else(|| {
            let hint = "read it in `setup`, `init`, `run` or `teardown`; a client takes the \
                        service itself as its address";
            Call::new(lua, field).wrong(format!("is known once the run has begun\n  hint: {hint}"))
        })
    }
}

/// Where the service a script gave as an address is, as a URL that is set before any user runs;
/// `None` for a value that is no service.
pub fn address(value: &Value) -> Option<Arc<OnceLock<String>>> {
    let data = value.as_userdata()?;
    Some(data.borrow::<Sandbox>().ok()?.as_ref().url())
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
