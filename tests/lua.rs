//! lib-lua, held against the engine: its specs are run by the real thing, and its types describe
//! exactly what scripts can call.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loadrun::executor::Turn;
use loadrun::script::api::{MODULES, http};
use loadrun::script::library;
use loadrun::script::{Source, load};

/// lib-lua, or a folder in it.
fn lib(inner: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lib-lua").join(inner)
}

/// The Lua files of a folder by name, without what follows it.
fn files(folder: &Path, end: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(end)?.to_owned();
        Some((name, fs::read_to_string(&path).unwrap()))
    });
    named.collect()
}

/// Runs every function of a spec file as one iteration of its own; what failed, and where.
async fn run_spec(folder: &Path, name: &str) -> (usize, Vec<String>) {
    let script = format!(
        "local scenarios = {{}}
         for name, run in pairs(require './{name}') do
           -- What a scenario's name may not hold.
           name = name:gsub('[{{}}()=,|\"]', '')
           scenarios[name] = {{ run = run, iterations = 1 }}
         end
         return {{ scenarios = scenarios }}"
    );
    let source = Source {
        path: folder.join("specs.lua"),
        folder: folder.canonicalize().unwrap(),
        text: Arc::from(script.into_bytes()),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    };
    let loaded = match load(source) {
        Ok(loaded) => loaded,
        Err(problems) => {
            return (0, problems.iter().map(|problem| format!("{name}: {problem}")).collect());
        }
    };
    let vm = loaded.control;
    let count = loaded.plan.scenarios.len();
    for scenario in 0..count {
        vm.user(scenario, 0).iterate(Turn { number: 0, intended: None }).await;
    }
    let errors = vm.take_errors();
    let failed = errors.iter().map(|(spec, error, _)| match &error.at {
        Some(at) => format!("{at}: {spec}: {}", error.what),
        None => format!("{name}: {spec}: {}", error.what),
    });
    (count, failed.collect())
}

#[tokio::test(start_paused = true)]
async fn every_spec_of_lib_lua_holds() {
    let mut failed = Vec::new();
    for name in files(&lib("spec"), "_spec.lua").into_keys() {
        let (count, more) = run_spec(&lib("spec"), &format!("{name}_spec")).await;
        assert!(count > 0 || !more.is_empty(), "{name}_spec.lua: no specs in it");
        failed.extend(more);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_does_not_hold_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(lib("spec/assert.lua"), folder.path().join("assert.lua")).unwrap();
    let spec = "local assert = require './assert'
return {
  ['one is two'] = function()
    require 'loadrun.time'.sleep(1)
    assert.equal({ 1 }, { 2 })
  end,
  ['one is one'] = function() assert.equal(1, 1) end,
}";
    fs::write(folder.path().join("broken_spec.lua"), spec).unwrap();
    let (count, failed) = run_spec(folder.path(), "broken_spec").await;
    assert_eq!(count, 2);
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    let expected = "broken_spec.lua:5: one is two: expected { 1 = 2 }, got { 1 = 1 }";
    assert!(failed.ends_with(expected), "{failed}");
}

#[test]
fn every_module_of_lib_lua_has_a_spec() {
    let names = |folder, end| files(&lib(folder), end).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(names("", ".lua"), names("spec", "_spec.lua"));
}

#[tokio::test]
async fn every_module_of_lib_lua_is_in_the_binary() {
    let elsewhere = tempfile::tempdir().unwrap();
    for name in files(&lib(""), ".lua").into_keys() {
        let text = format!("return {{ ['it loads'] = function() require '{name}' end }}");
        fs::write(elsewhere.path().join("embedded.lua"), text).unwrap();
        let (_, failed) = run_spec(elsewhere.path(), "embedded").await;
        assert!(failed.is_empty(), "{failed:?}");
    }
}

/// What a type file says a script can call or read: `"name"` of the module, `"Class:name"` of what
/// it makes, `"()"` where the module is a function. Classes of data (options, balances) have no
/// table of their own and are left out.
fn described(module: &str, text: &str) -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    let mut fields = BTreeMap::<String, Vec<&str>>::new();
    let (mut class, mut classes) = (String::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("---@class ") {
            let name = named.split([' ', ':', '<']).next().unwrap();
            name.rsplit('.').next().unwrap().clone_into(&mut class);
        } else if let Some(field) = line.strip_prefix("---@field ") {
            let name = field.split([' ', '?']).next().unwrap();
            fields.entry(class.clone()).or_default().push(name);
        } else if line == format!("local {class} = {{}}") {
            classes.insert(class.clone());
        } else if let Some(call) = line.strip_prefix(&format!("function {module}.")) {
            functions.insert(call.split('(').next().unwrap().to_owned());
        } else if line.starts_with(&format!("local function {module}(")) {
            functions.insert("()".to_owned());
        } else if let Some(call) = line.strip_prefix("function ") {
            functions.insert(call.split('(').next().unwrap().to_owned());
        }
    }
    for (class, names) in fields {
        if class == module {
            functions.extend(names.iter().map(|name| (*name).to_owned()));
        } else if classes.contains(&class) {
            functions.extend(names.iter().map(|name| format!("{class}:{name}")));
        }
    }
    functions
}

#[test]
fn every_function_is_typed_and_every_type_is_bound() {
    let mut types = files(&lib("types"), ".lua");
    types.remove("script").expect("types/script.lua describes what a script returns");
    let modules: BTreeSet<_> = MODULES.iter().map(|module| module.name.to_owned()).collect();
    assert_eq!(modules, types.keys().cloned().collect(), "a module has one type file");
    for module in MODULES {
        let text = &types[module.name];
        let meta = format!("---@meta loadrun.{}\n", module.name);
        assert!(text.starts_with(&meta), "{}.lua begins with {meta}", module.name);
        let bound: BTreeSet<String> = module.functions.iter().map(ToString::to_string).collect();
        assert_eq!(bound, described(module.name, text), "loadrun.{}", module.name);
    }
}

/// The fields of one class.
fn fields_of(text: &str, class: &str) -> BTreeSet<String> {
    let mut lines = text.lines().skip_while(|line| {
        line.strip_prefix("---@class ")
            .is_none_or(|named| named.split([' ', ':']).next() != Some(class))
    });
    lines.next();
    let fields = lines.map_while(|line| line.strip_prefix("---@field "));
    fields.map(|field| field.split([' ', '?']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_field_of_a_reply_is_typed() {
    let types = files(&lib("types"), ".lua");
    let readable: BTreeSet<String> = http::REPLY.iter().map(ToString::to_string).collect();
    assert_eq!(fields_of(&types["http"], "loadrun.http.Reply"), readable);
}

#[test]
fn every_field_of_a_balance_is_typed() {
    let types = files(&lib("types"), ".lua");
    let written = serde_json::to_value(loadrun::ledger::Balance::default()).unwrap();
    let readable: BTreeSet<String> = written.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields_of(&types["ledger"], "loadrun.ledger.Balance"), readable);
}

#[test]
fn every_function_says_what_it_does_and_types_its_parameters() {
    for (name, text) in files(&lib("types"), ".lua") {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(signature) = line.strip_suffix(") end") else {
                continue;
            };
            let place = format!("{name}.lua:{}", at + 1);
            let comment = lines[..at].iter().rev().take_while(|line| line.starts_with("---"));
            let comment: Vec<&str> = comment.copied().collect();
            assert!(comment.last().is_some_and(|first| first.starts_with("--- ")), "{place}");
            let (_, parameters) = signature.split_once('(').unwrap();
            for parameter in parameters.split(", ").filter(|parameter| !parameter.is_empty()) {
                let typed = comment.iter().filter_map(|line| line.strip_prefix("---@param "));
                let names = typed.filter_map(|line| line.split([' ', '?']).next());
                assert_eq!(names.filter(|name| *name == parameter).count(), 1, "{place}");
            }
        }
    }
}

#[test]
fn every_file_of_lib_lua_is_in_the_binary() {
    for (folder, embedded) in [("", library::LIBRARY), ("types", library::TYPES)] {
        let embedded: BTreeSet<_> = embedded.iter().map(|(name, _)| (*name).to_owned()).collect();
        let there: BTreeSet<_> = files(&lib(folder), ".lua").into_keys().collect();
        assert_eq!(embedded, there, "lib-lua/{folder} and src/script/library.rs");
    }
}
