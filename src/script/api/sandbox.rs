//! `loadrun.sandbox`: the practice target, started by the engine for the run.
//!
//! `sandbox.start {}` at file scope declares a service ([`super::service`]). The options are those
//! of the command `loadrun sandbox`, in the same words, and are checked while the script loads.

use std::rc::Rc;

use mlua::{Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use super::super::call::Call;
use super::super::context::Context;
use super::super::coroutine;
use super::super::options::{self, Options};
use super::super::plain::Plain;
use super::service::{Declaration, Service};
use crate::client::http::{Base, Body, Client, Request, Session, Settings};
use crate::sandbox::{BEHAVIOURS, Behaviour, Dependencies};
use crate::service::command::{ENVIRONMENT, ENVIRONMENT_OF};

/// What a script can call or read.
pub const FUNCTIONS: &[&str] =
    &["Sandbox:address", "Sandbox:control", "Sandbox:name", "Sandbox:pid", "Sandbox:url", "start"];

/// The kind of service in the plan.
const KIND: &str = "sandbox";

/// Options of `start` besides the behaviours.
const IDENTITY: &[&str] = &["seed", "token"];

/// A practice target in a script's hands.
pub struct Sandbox(Service);

impl AsRef<Service> for Sandbox {
    fn as_ref(&self) -> &Service {
        &self.0
    }
}

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("start", lua.create_function(start)?)?;
    Ok(Value::Table(table))
}

fn start(lua: &Lua, given: Value) -> mlua::Result<Sandbox> {
    const NAME: &str = "sandbox.start";
    let context = Context::of(lua)?;
    context.may_declare(lua, NAME)?;
    let behaviours = BEHAVIOURS.iter().map(|(name, _)| *name);
    let settings: Vec<&str> = behaviours.chain(IDENTITY.iter().copied()).collect();
    let dependencies = Dependencies::VARIABLES.iter().map(|(name, _)| *name);
    let known: Vec<&str> = settings.iter().copied().chain(dependencies).collect();
    let options = Options::new(lua, NAME, given, &known)?;
    let mut declaration = Declaration { kind: KIND, ..Declaration::default() };
    for (name, variable) in Dependencies::VARIABLES {
        match options.read(name, dependency)? {
            Some(Dependency::Service(service)) => {
                declaration.options.insert(format!("{ENVIRONMENT_OF}{variable}"), service);
            }
            Some(Dependency::Url(url)) => {
                let parsed = url::Url::parse(&url).ok();
                if let Some(password) = parsed.as_ref().and_then(url::Url::password) {
                    context.world.log.secrets.add(password);
                }
                declaration.secrets.insert(format!("{ENVIRONMENT}{variable}"), url);
            }
            None => {}
        }
    }
    for name in settings {
        if let Some(value) = options.read(name, |value| setting(name, value))? {
            declaration.options.insert(name.to_owned(), value);
        }
    }
    let declared = Service::declare(lua, declaration)?;
    declared.map(Sandbox).map_err(|what| options.wrong(&what))
}

/// What a script gives as a dependency.
enum Dependency {
    /// The name of a service or a proxy of the run.
    Service(String),
    /// An address.
    Url(String),
}

fn dependency(value: &Value) -> Result<Dependency, String> {
    if let Some(service) = Service::named(value) {
        return Ok(Dependency::Service(service));
    }
    let expected = "expected a service, a proxy or a URL";
    match options::string(value) {
        Ok(url) if url.contains("://") => Ok(Dependency::Url(url)),
        _ => Err(format!("{expected}, got {}", options::shown(value))),
    }
}

/// The value of an option as the command line takes it.
fn setting(name: &str, value: &Value) -> Result<String, String> {
    match name {
        "seed" => options::count(value).map(|seed| seed.to_string()),
        "token" => options::string(value),
        _ => {
            let text = options::scalar(value)?;
            Behaviour::default().set(name, &text)?;
            Ok(text)
        }
    }
}

impl UserData for Sandbox {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        Service::fields(fields);
        coroutine::method(
            fields,
            "control",
            |lua, this, given: Value| Ok((Base::Service(this.0.url()), changes(lua, given)?)),
            |(base, changes), lua| async move { control(&lua, base, changes).await },
        );
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.shown()));
    }
}

/// What `control` is to change, as the JSON it sends.
fn changes(lua: &Lua, given: Value) -> mlua::Result<serde_json::Value> {
    const NAME: &str = "sandbox:control";
    Context::of(lua)?.may_wait(lua, NAME)?;
    let behaviours = BEHAVIOURS.iter().map(|(name, _)| *name);
    let known: Vec<&str> = behaviours.chain(["stall"]).collect();
    let options = Options::new(lua, NAME, given, &known)?;
    let mut changes = serde_json::Map::new();
    for name in known {
        let value = if name == "stall" {
            options.duration(name)?.map(|time| format!("{}s", time.as_secs_f64()))
        } else {
            options.read(name, |value| setting(name, value))?
        };
        if let Some(value) = value {
            changes.insert(name.to_owned(), value.into());
        }
    }
    Ok(serde_json::Value::Object(changes))
}

/// Sends the changes, on a connection of its own and unmeasured, and gives the state after them.
async fn control(lua: &Lua, base: Base, changes: serde_json::Value) -> mlua::Result<Value> {
    let call = Call::new(lua, "sandbox:control");
    let client: Rc<Client> = Client::new(Settings { base: Some(base), ..Settings::default() })
        .map_err(|what| call.wrong(what))?;
    let mut request = Request::new("POST", "/control").map_err(|what| call.wrong(what))?;
    request.body = Body::new(changes.to_string(), Some("application/json"))
        .map_err(|what| call.wrong(what))?;
    let exchange = client.send(&Session::default(), &mut request).await;
    if let Some(failure) = exchange.error {
        let detail = exchange.detail.unwrap_or_default();
        let body = String::from_utf8_lossy(&exchange.body);
        let what = format!("the sandbox did not follow: {} {detail} {body}", failure.as_str());
        return Err(call.wrong(what.trim_end()));
    }
    let state = serde_json::from_slice(&exchange.body).map_err(|error| call.wrong(error))?;
    Plain::from_json(state).write(lua)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mlua::ObjectLike as _;

    use super::super::testing;
    use super::*;

    fn load(code: &str) -> (Lua, mlua::Result<String>) {
        let lua = testing::state(&testing::world(std::path::Path::new(".")), "sandbox", module);
        let result = lua.load(code).eval();
        (lua, result)
    }

    #[test]
    fn each_start_declares_one_service_with_its_options_as_flags() {
        let code =
            "local a = sandbox.start { latency = 'normal 50ms 10ms', errors = 0.01, seed = 7 }
            local b = sandbox.start { token = 'secret', capacity = '200/s' }
            return a.name .. ' ' .. b.name .. ' ' .. tostring(b)";
        let (lua, named) = load(code);
        assert_eq!(named.unwrap(), "sandbox sandbox-2 sandbox-2 (not started)");
        let context = Context::of(&lua).unwrap();
        let declared = &context.declared.borrow().services;
        let shown: Vec<String> = declared
            .iter()
            .map(|service| format!("{} {} {:?}", service.name, service.kind, service.options))
            .collect();
        assert_eq!(
            shown,
            [
                r#"sandbox sandbox {"errors": "0.01", "latency": "normal 50ms 10ms", "seed": "7"}"#,
                r#"sandbox-2 sandbox {"capacity": "200/s", "token": "secret"}"#,
            ]
        );
    }

    #[test]
    fn a_dependency_is_another_service_by_its_name_or_a_url_that_is_kept_out_of_results() {
        let code = "local a = sandbox.start()
            sandbox.start { redis = a, database = 'postgres://me:pass@127.0.0.1/shop' }
            return ''";
        let (lua, loaded) = load(code);
        loaded.unwrap();
        let context = Context::of(&lua).unwrap();
        let declared = &context.declared.borrow().services[1];
        assert_eq!(
            declared.options,
            [("env_of.LOADRUN_SANDBOX_REDIS", "sandbox")].map(owned).into()
        );
        let url = ("env.LOADRUN_SANDBOX_DATABASE", "postgres://me:pass@127.0.0.1/shop");
        assert_eq!(declared.secrets, [url].map(owned).into());
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_same_declaration_is_the_same_service_in_every_state() {
        let world = testing::world(std::path::Path::new("."));
        let [control, worker] = [0, 1].map(|_| testing::state(&world, "sandbox", module));
        control.load("sandbox.start {}").exec().unwrap();
        let handle: mlua::AnyUserData = worker.load("return sandbox.start {}").eval().unwrap();
        world.service("sandbox").url.set("http://127.0.0.1:1".to_owned()).unwrap();
        assert_eq!(handle.to_string().unwrap(), "http://127.0.0.1:1");
        let address = super::super::service::address(&Value::UserData(handle)).unwrap();
        assert_eq!(address.get().unwrap(), "http://127.0.0.1:1");
    }

    #[test]
    fn mistakes_are_found_while_the_script_loads() {
        let cases = [
            ("sandbox.start { latenci = '5ms' }", "unknown key `latenci`; did you mean `latency`?"),
            ("sandbox.start { latency = 'often' }", "sandbox.start: latency: "),
            ("sandbox.start { errors = '200%' }", "sandbox.start: errors: "),
            (
                "sandbox.start { redis = 6379 }",
                "redis: expected a service, a proxy or a URL, got 6379",
            ),
            ("sandbox.start { breaker = 'often' }", "sandbox.start: breaker: malformed breaker"),
            ("sandbox.start { seed = -1 }", "sandbox.start: seed: expected a whole number, 0 or"),
            ("sandbox.start({}).url", "service.url: is known once the run has begun"),
        ];
        for (code, expected) in cases {
            let (lua, result) = load(&format!("return {code}"));
            let error = testing::wrong(&lua, result);
            assert!(error.contains(expected), "{code}: {error}");
        }
    }

    #[test]
    fn a_service_cannot_be_declared_once_the_script_is_loaded() {
        let (lua, _) = load("return ''");
        Context::of(&lua).unwrap().loading.set(false);
        let error = lua.load("sandbox.start {}").exec().unwrap_err().to_string();
        assert!(error.contains("sandbox.start: declares something, so only at file scope"));
    }

    #[tokio::test]
    async fn a_running_sandbox_follows_its_control() {
        let options = crate::sandbox::Options::default();
        let running = crate::sandbox::Sandbox::open(options).await.unwrap();
        let address = format!("http://{}", running.address());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(running.serve(async { drop(stopped.await) }));
        let script = "local target = require 'loadrun.sandbox'.start()
            return {
              scenarios = { s = { run = print, users = 1, duration = 1 } },
              setup = function()
                local state = target:control { errors = '25%', latency = '3ms', stall = 0 }
                return { state.errors, state.latency, target.url }
              end,
            }";
        let mut source = testing::world(std::path::Path::new(".")).source.clone();
        source.text = Arc::from(script.as_bytes());
        let Ok(loaded) = super::super::super::load(source) else { panic!("the script loads") };
        let world = loaded.control.world();
        world.service("sandbox").url.set(address.clone()).unwrap();
        loaded.control.setup().await.unwrap();
        let expected = Plain::list(["25 %", "constant 3ms", &address].map(Plain::text));
        assert_eq!(world.setup.get(), Some(&expected));
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    }
}
