//! The options by which a client says whose connections carry its calls (`connections`, `size`) and
//! how TLS is spoken on them (`ca`, `cert`, `key`, `insecure`).

use mlua::Value;

use crate::script::context::Context;
use crate::script::options::{self, Options, shown};
use crate::script::require::confined;
use crate::wire::{Identity, TlsSettings};

/// Connections of a shared set, over all workers, where `size` is not given.
const SIZE: u64 = 20;

/// What a script chose.
pub(super) enum Choice {
    /// One of the words the client offers besides `"shared"`.
    Word(&'static str),
    /// A set shared by all users; so many of it are this worker's, at least one.
    Shared(usize),
}

/// Reads the choice between `words`, the first where nothing is given, and `"shared"` with `size`.
pub(super) fn choice(
    context: &Context,
    given: &Options<'_>,
    words: &[&'static str],
) -> mlua::Result<Choice> {
    let chosen = given.read("connections", |value| {
        let Value::String(text) = value else {
            return Err(expected(words, value));
        };
        let text = text.as_bytes();
        match words.iter().find(|word| word.as_bytes() == &*text) {
            Some(word) => Ok(Some(*word)),
            None if &*text == b"shared" => Ok(None),
            None => Err(expected(words, value)),
        }
    })?;
    let size = given.read("size", |value| match options::count(value)? {
        0 => Err("expected at least 1".to_owned()),
        size => Ok(size),
    })?;
    if chosen == Some(None) {
        let workers = *context.world.workers.get().unwrap_or(&1);
        return Ok(Choice::Shared((size.unwrap_or(SIZE) as usize).div_ceil(workers.max(1))));
    }
    let otherwise = chosen.is_some() || given.value("connections").is_none();
    if size.is_some() && otherwise {
        given.refuse("`size` goes with `connections = \"shared\"`".to_owned())?;
    }
    Ok(Choice::Word(chosen.flatten().unwrap_or(words[0])))
}

fn expected(words: &[&str], value: &Value) -> String {
    let words = words.join("\", \"");
    format!("expected \"{words}\", or \"shared\" with `size = {SIZE}`, got {}", shown(value))
}

/// Reads the options of TLS. Files are read now, so that a missing one is an error of the script.
pub(super) fn tls(context: &Context, given: &Options<'_>) -> mlua::Result<TlsSettings> {
    let folder = &context.world.source.folder;
    let file = |key: &str| {
        given.read(key, |value| {
            let path = confined(folder, &folder.join(options::string(value)?))?;
            std::fs::read(&path).map_err(|why| format!("cannot read {}: {why}", shown(value)))
        })
    };
    let identity = file("cert")?.zip(file("key")?).map(|(cert, key)| Identity { cert, key });
    if given.value("cert").is_some() != given.value("key").is_some() {
        given.refuse("`cert` and `key` go together".to_owned())?;
    }
    let insecure = given.boolean("insecure")?.unwrap_or(false);
    Ok(TlsSettings { ca: file("ca")?, identity, insecure })
}
