//! What the modules list, held against the objects they make.

use std::collections::BTreeSet;
use std::path::Path;

use mlua::{AnyUserData, ObjectLike as _, Table, Value};

use super::{MODULES, testing};

/// How one object of each class is made, with all modules as globals.
const OBJECTS: &[(&str, &str, &str)] = &[
    ("http", "Client", "http.client {}"),
    ("ledger", "Ledger", "ledger.new 'l'"),
    ("metric", "Counter", "metric.counter 'a.c'"),
    ("metric", "Gauge", "metric.gauge 'a.g'"),
    ("metric", "Rate", "metric.rate 'a.r'"),
    ("metric", "Trend", "metric.trend 'a.t'"),
    ("rand", "Rand", "rand.new(1)"),
    ("redis", "Client", "redis.client {}"),
    ("redis", "Script", "redis.client({}):script 'return 1'"),
    ("sandbox", "Sandbox", "sandbox.start {}"),
    ("service", "Service", "service.redis {}"),
    ("shared", "Barrier", "shared.barrier('b', 1)"),
    ("shared", "Counter", "shared.counter 'c'"),
    ("shared", "Map", "shared.map 'm'"),
    ("shared", "Queue", "shared.queue 'q'"),
    ("sql", "Client", "sql.client { url = 'sqlite::memory:' }"),
];

/// Classes whose objects come of a server, or of a run; the module's own tests use every method of theirs.
const FROM_SERVERS: &[(&str, &str)] = &[("fault", "Standing"), ("redis", "Subscription")];

#[test]
fn every_object_has_the_methods_its_module_lists_and_no_others() {
    let world = testing::world(Path::new("."));
    let mut listed = BTreeSet::new();
    for module in MODULES {
        let named = module.functions.iter().filter_map(|name| name.split_once(':'));
        let named = named.filter(|(class, _)| !FROM_SERVERS.contains(&(module.name, class)));
        listed.extend(named.map(|(class, method)| (module.name, class, method.to_owned())));
    }
    let mut found = BTreeSet::new();
    for (module, class, made) in OBJECTS {
        let make = MODULES.iter().find(|known| known.name == *module).unwrap().make;
        let lua = testing::state(&world, module, make);
        let object: AnyUserData = lua.load(format!("return {made}")).eval().unwrap();
        let methods: Value = object.metatable().unwrap().get("__index").unwrap();
        let names: Vec<String> = match methods {
            Value::Table(methods) => keys(&methods),
            // Fields besides methods: their names cannot be listed, only asked for.
            _ => listed
                .iter()
                .filter(|(of, kind, _)| of == module && kind == class)
                .filter(|(_, _, name)| match object.get::<Value>(name.as_str()) {
                    Ok(value) => !value.is_nil(),
                    // It is there, and cannot be read yet.
                    Err(_) => true,
                })
                .map(|(_, _, name)| name.clone())
                .collect(),
        };
        found.extend(names.into_iter().map(|name| (*module, *class, name)));
    }
    assert_eq!(found, listed);
}

fn keys(table: &Table) -> Vec<String> {
    table.pairs::<String, Value>().map(|pair| pair.unwrap().0).collect()
}
