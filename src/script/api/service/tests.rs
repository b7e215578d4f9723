//! What a script declares of services, and what is wrong with it.

use std::path::Path;

use mlua::Lua;

use super::super::testing;
use super::*;
use crate::plan::ServiceDecl;

fn load(code: &str) -> (Lua, mlua::Result<String>) {
    let lua = testing::state(&testing::world(Path::new(".")), "service", module);
    let result = lua.load(code).eval();
    (lua, result)
}

fn declared(lua: &Lua) -> Vec<ServiceDecl> {
    Context::of(lua).unwrap().declared.borrow().services.clone()
}

#[test]
fn services_are_named_as_the_script_likes_or_by_their_number() {
    let code = "local a = service.redis {}
        local b = service.redis { name = 'redis-3' }
        local c = service.redis { name = 'cache' }
        local d = service.redis()
        local e = service.redis {}
        return table.concat({ a.name, b.name, c.name, d.name, e.name }, ' ')";
    assert_eq!(load(code).1.unwrap(), "redis redis-3 cache redis-4 redis-5");
}

#[test]
fn options_reach_the_plan_as_text_and_passwords_apart_from_them() {
    let (lua, done) = load(
        "service.redis { maxmemory = '64MiB', maxclients = 100, appendonly = true,
           requirepass = 'hunter22', ready_within = 5, config = { hz = 100, save = '60 1' } }
         return ''",
    );
    done.unwrap();
    let [service] = &declared(&lua)[..] else { panic!("one service") };
    let shown = format!("{:?}", service.options);
    let options = r#"{"appendonly": "true", "config.hz": "100", "config.save": "60 1", "#;
    let more = r#""maxclients": "100", "maxmemory": "64MiB", "ready_within": "5"}"#;
    assert_eq!(shown, format!("{options}{more}"));
    assert_eq!(service.secrets["requirepass"], "hunter22");
    assert!(!serde_json::to_string(service).unwrap().contains("hunter22"));
    assert_eq!(Context::of(&lua).unwrap().world.masked("of hunter22".into()), "of ***");
}

#[test]
fn mistakes_are_found_while_the_script_loads() {
    let cases = [
        ("redis { maxmemori = 1 }", "unknown key `maxmemori`; did you mean `maxmemory`?"),
        ("redis { maxmemory = 'lots' }", "service.redis: maxmemory: malformed size \"lots\""),
        (
            "redis { maxmemory_policy = 'allkeys-lur' }",
            "maxmemory_policy: unknown \"allkeys-lur\"; did you mean \"allkeys-lru\"?",
        ),
        ("redis { maxclients = 0 }", "maxclients: expected a whole number from 1 to 1000000"),
        ("redis { requirepass = 'abc' }", "requirepass: expected at least 4 characters"),
        ("redis { name = '../x' }", "name: expected letters, digits, `_` and `-`"),
        ("redis { name = service.redis {}.name }", "there is a service \"redis\" already"),
        ("redis { config = { port = 1 } }", "config: `port` is decided by loadrun"),
        ("redis { config = { hz = '1\\nport 2' } }", "config: hz: expected one line of text"),
        ("postgres { max_connections = 'many' }", "expected a whole number from 1 to 262143"),
        ("postgres { database = 'a b' }", "service.postgres: database: expected letters, digits"),
        ("postgres { config = { fsync = 'off' } }", "`fsync` is an option of its own: `fsync`"),
        ("mariadb { max_conections = 5 }", "unknown key `max_conections`; did you mean"),
        (
            "mariadb { config = { ['bind-address'] = '::' } }",
            "`bind-address` is decided by loadrun",
        ),
        ("command {}", "service.command: cmd: expected a program and its arguments"),
        ("command { cmd = 'ls -l', ready = ':1' }", "without a shell; got \"ls -l\""),
        ("command { cmd = {}, ready = 'a:1' }", "cmd: expected a program and its arguments, got"),
        ("command { cmd = { 'ls' } }", "ready: expected a URL, host and port, or"),
        ("command { cmd = { 'ls' }, ready = 'soon' }", "ready: expected a URL such as"),
        ("command { cmd = { 'ls' }, ready = 'https://a' }", "ready: expected a URL such as"),
        ("command { cmd = { 'ls' }, ready = { lien = 1 } }", "ready: unknown key `lien`"),
        (
            "command { cmd = { 'ls' }, ready = 'a:1', stop = { signal = 'USR1' } }",
            "stop: signal: expected one of TERM, INT, QUIT, HUP, KILL; got \"USR1\"",
        ),
        (
            "command { cmd = { 'ls' }, ready = 'a:1', env = { A = {} } }",
            "env: A: expected a string or a number, got a table",
        ),
        ("redis {}.url", "service.url: is known once the run has begun"),
        ("redis {}.pid", "service.pid: is known once the run has begun"),
    ];
    for (code, expected) in cases {
        let (lua, result) = load(&format!("return service.{code}"));
        let error = testing::wrong(&lua, result);
        assert!(error.contains(expected), "{code}: {error}");
    }
}

#[test]
fn a_command_is_declared_word_by_word_with_its_environment_out_of_sight() {
    let (lua, done) = load(
        "local cache = service.redis { name = 'cache' }
         return service.command {
           cmd = { './shop', '--port', '{port}' },
           env = { PORT = '{port}', DEBUG = true, CACHE_URL = cache },
           ready = 'http://127.0.0.1:{port}/health', url = 'http://127.0.0.1:{port}',
           stop = { signal = 'INT', within = '10s' },
         }.name",
    );
    assert_eq!(done.unwrap(), "command");
    let service = declared(&lua).pop().unwrap();
    assert_eq!(crate::service::command::words(&service), ["./shop", "--port", "{port}"]);
    let shown = |name: &str| service.options[name].as_str();
    assert_eq!(shown("ready"), "http://127.0.0.1:{port}/health");
    assert_eq!(shown("url"), "http://127.0.0.1:{port}");
    assert_eq!([shown("stop.signal"), shown("stop.within")], ["INT", "10s"]);
    assert_eq!(shown("env_of.CACHE_URL"), "cache");
    let hidden = [("env.DEBUG", "true"), ("env.PORT", "{port}")];
    assert_eq!(service.secrets, hidden.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

#[test]
fn a_service_is_the_address_of_a_client_once_it_is_found() {
    let world = testing::world(Path::new("."));
    let lua = testing::state(&world, "service", module);
    let handle: Value = lua.load("cache = service.redis {} return cache").eval().unwrap();
    let slot = address(&handle).unwrap();
    assert_eq!(slot.get(), None);
    world.found("redis", "redis://:hunter22@127.0.0.1:6379", 42);
    assert_eq!(slot.get().unwrap(), "redis://:hunter22@127.0.0.1:6379");
    let read = "return cache.address .. ' ' .. cache.pid";
    assert_eq!(lua.load(read).eval::<String>().unwrap(), "127.0.0.1:6379 42");
    assert_eq!(world.masked(slot.get().unwrap().clone()), "redis://:***@127.0.0.1:6379");
    assert!(address(&Value::Integer(1)).is_none());
}
