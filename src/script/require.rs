//! `require`: modules of the engine, files of lib-lua, and files beside the script.
//!
//! Three name spaces that cannot be mistaken for one another: `loadrun.x` is made in Rust, a bare
//! name is a file of lib-lua embedded in the binary, `./name` is a file in the script's folder.
//! Nothing outside that folder can be read, whatever symbolic links say.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{Function, Lua, Table, Value};

use super::api;
use super::context::{Context, Lengths};
use super::environment;
use super::frozen::frozen;
use super::library::LIBRARY;
use super::mistakes;
use super::options::{self, shown};
use super::traceback::misuse;
use crate::plan::nearest;

/// What one Lua state has loaded, and what it is loading now.
struct Modules {
    context: Rc<Context>,
    env: Table,
    loaded: Table,
    /// The names of that, in order.
    order: RefCell<Vec<String>>,
    /// Names being loaded, outermost first.
    open: RefCell<Vec<String>>,
}

/// The `require` of scripts.
pub(super) fn function(lua: &Lua, context: &Rc<Context>, env: &Table) -> mlua::Result<Function> {
    let modules = Modules {
        context: Rc::clone(context),
        env: env.clone(),
        loaded: lua.create_table()?,
        order: RefCell::default(),
        open: RefCell::default(),
    };
    lua.create_function(move |lua, name: Value| {
        let Value::String(name) = &name else {
            let what = format!("require: expected a name, got {}", shown(&name));
            return mistakes::instead(lua, misuse(lua, what));
        };
        modules.require(lua, &name.to_string_lossy())
    })
}

impl Modules {
    fn require(&self, lua: &Lua, name: &str) -> mlua::Result<Value> {
        let loaded: Value = self.loaded.raw_get(name)?;
        if !loaded.is_nil() {
            return Ok(loaded);
        }
        if let Some(at) = self.open.borrow().iter().position(|open| open == name) {
            let open = self.open.borrow();
            let circle = open[at..].join("` needs `");
            let what = format!("require: a circle: `{circle}` needs `{name}`");
            return mistakes::instead(lua, misuse(lua, what));
        }
        self.open.borrow_mut().push(name.to_owned());
        let before = (self.context.declared.borrow().lengths(), self.order.borrow().len());
        let value = self.load(lua, name);
        self.open.borrow_mut().pop();
        let value = match value {
            Ok(Value::Nil) => Value::Boolean(true),
            Ok(value) => value,
            Err(error) => {
                self.without(before)?;
                mistakes::instead(lua, error)?
            }
        };
        self.loaded.raw_set(name, &value)?;
        self.order.borrow_mut().push(name.to_owned());
        Ok(value)
    }

    /// Where the script deals with it that a file did not come to its end, it has no part of the file,
    /// nor of those that only this one loaded, and nothing that was found wrong in them is of
    /// importance.
    fn without(&self, (declared, loaded): (Lengths, usize)) -> mlua::Result<()> {
        if self.context.goes_on() {
            return Ok(());
        }
        self.context.declared.borrow_mut().truncate(&declared);
        let parts = self.order.borrow_mut().split_off(loaded);
        parts.into_iter().try_for_each(|name| self.loaded.raw_set(name, Value::Nil))
    }

    fn load(&self, lua: &Lua, name: &str) -> mlua::Result<Value> {
        if let Some(module) = name.strip_prefix("loadrun.") {
            match api::MODULES.iter().find(|known| known.name == module) {
                Some(known) => read_only(lua, known.name, (known.make)(lua)?),
                None => Err(unknown(lua, name)),
            }
        } else if name.starts_with("./") || name.starts_with("../") || name.starts_with('/') {
            self.beside(lua, name)
        } else if let Some((_, text)) = LIBRARY.iter().find(|(known, _)| *known == name) {
            let value = self.run(lua, &format!("=[lib {name}]"), text.as_bytes())?;
            read_only(lua, name, value)
        } else {
            Err(unknown(lua, name))
        }
    }

    /// Loads a file of the script's folder.
    fn beside(&self, lua: &Lua, name: &str) -> mlua::Result<Value> {
        let folder = &self.context.world.source.folder;
        let file = folder.join(format!("{}.lua", name.trim_end_matches(".lua")));
        let path = confined(folder, &file).map_err(|why| misuse(lua, format!("require: {why}")))?;
        let text = std::fs::read(&path)
            .map_err(|why| misuse(lua, format!("require: cannot read `{name}`: {why}")))?;
        let shown = path.strip_prefix(folder).unwrap_or(&path);
        self.context.world.note_required(shown, &text);
        self.context.world.log.secrets.add_literals(&text);
        self.run(lua, &format!("@{}", shown.display()), &text)
    }

    fn run(&self, lua: &Lua, chunk: &str, text: &[u8]) -> mlua::Result<Value> {
        environment::chunk(lua, &self.context, &self.env, chunk, text)?.call(())
    }
}

/// A module as a script gets it; those of the script itself are its own to change.
fn read_only(lua: &Lua, name: &str, value: Value) -> mlua::Result<Value> {
    match mistakes::guarded_module(lua, value)? {
        Value::Table(module) => {
            closed(lua, name, &module)?;
            frozen(lua, name, module).map(Value::Table)
        }
        other => Ok(other),
    }
}

/// Refuses to give what a module does not have, with the nearest that it has.
fn closed(lua: &Lua, name: &str, module: &Table) -> mlua::Result<()> {
    let owner = name.to_owned();
    let refuse = move |lua: &Lua, (module, key): (Table, Value)| {
        let names: Vec<String> =
            module.pairs::<String, Value>().filter_map(|pair| Some(pair.ok()?.0)).collect();
        let field = options::string(&key).unwrap_or_else(|_| shown(&key));
        let hint = match nearest(&field, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{owner}.{near}`?"),
            None => format!("it has: {}", sorted(names).join(", ")),
        };
        let what = format!("`{owner}` has no `{field}`\n  hint: {hint}");
        mistakes::instead(lua, misuse(lua, what))
    };
    let meta = lua.create_table()?;
    meta.raw_set("__index", lua.create_function(refuse)?)?;
    module.set_metatable(Some(meta))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The true path of `file`, when it lies in `folder`; the error is a sentence.
pub fn confined(folder: &Path, file: &Path) -> Result<PathBuf, String> {
    let shown = file.strip_prefix(folder).unwrap_or(file).display();
    let path = file.canonicalize().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file `{shown}` beside the script"),
        _ => format!("cannot read `{shown}`: {why}"),
    })?;
    if path.starts_with(folder) {
        Ok(path)
    } else {
        Err(format!("`{shown}` lies outside the script's folder"))
    }
}

/// The line by which a script gets what it calls so: a module, or a function of one.
pub(super) fn line(name: &str) -> Option<String> {
    if let Some(module) = api::MODULES.iter().find(|module| module.name == name) {
        return Some(format!("write `local {name} = require \"loadrun.{}\"`", module.name));
    }
    if LIBRARY.iter().any(|(known, _)| *known == name) {
        return Some(format!("write `local {name} = require \"{name}\"`"));
    }
    let module = api::holder(name)?;
    Some(format!("write `{module}.{name}`, with `local {module} = require \"loadrun.{module}\"`"))
}

/// What the names of all modules begin with that are made in Rust.
const OURS: &str = "loadrun.";

/// The module that was meant: names that begin alike are not alike for that.
fn near<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let own = |name: &'a String| name.strip_prefix(OURS);
    let found = match name.strip_prefix(OURS) {
        Some(rest) => nearest(rest, names.iter().filter_map(own))?,
        None => nearest(name, names.iter().map(String::as_str))?,
    };
    names
        .iter()
        .map(String::as_str)
        .find(|name| name.strip_prefix(OURS) == Some(found) || *name == found)
}

/// The error for a module that does not exist.
fn unknown(lua: &Lua, name: &str) -> mlua::Error {
    let ours = api::MODULES.iter().map(|module| format!("loadrun.{}", module.name));
    let names: Vec<String> =
        ours.chain(LIBRARY.iter().map(|(name, _)| (*name).to_owned())).collect();
    let in_loadrun = format!("loadrun.{name}");
    let hint = if names.contains(&in_loadrun) {
        format!("did you mean `{in_loadrun}`?")
    } else if let Some(near) = near(name, &names) {
        format!("did you mean `{near}`?")
    } else if name.starts_with(OURS) {
        let ours = api::MODULES.iter().map(|module| module.name);
        format!("there are loadrun.{{{}}}", ours.collect::<Vec<_>>().join(", "))
    } else {
        format!("a file beside the script is `require \"./{name}\"`")
    };
    misuse(lua, format!("require: unknown module `{name}`\n  hint: {hint}"))
}
