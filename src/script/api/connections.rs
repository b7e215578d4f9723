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
        let size = usize::try_from(size.unwrap_or(SIZE)).unwrap_or(usize::MAX);
        return Ok(Choice::Shared(share(context, size).unwrap_or(size)));
    }
    let otherwise = chosen.is_some() || given.value("connections").is_none();
    if size.is_some() && otherwise {
        given.refuse("`size` goes with `connections = \"shared\"`".to_owned())?;
    }
    Ok(Choice::Word(chosen.flatten().unwrap_or(words[0])))
}

/// A worker's part of so many connections, at least one: those of all workers add up to them, and who
/// has more users has more connections. `None` for `setup` and `teardown`, whose state is made before
/// there are workers.
pub(super) fn share(context: &Context, size: usize) -> Option<usize> {
    let workers = (*context.world.workers.get()?).max(1);
    let nth = usize::try_from(context.worker?).unwrap_or(usize::MAX);
    Some((size / workers + usize::from(nth < size % workers)).max(1))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing;
    use super::*;

    #[test]
    fn the_shares_of_all_workers_add_up_to_the_size_and_the_first_have_more() {
        for (size, workers, expected) in [
            (20, 1, vec![20]),
            (20, 3, vec![7, 7, 6]),
            (5, 2, vec![3, 2]),
            (7, 7, vec![1; 7]),
            (3, 4, vec![1; 4]),
        ] {
            let world = testing::world(Path::new("."));
            world.workers.set(workers).unwrap();
            let of = |worker| share(&Context::new(&world, worker), size);
            let all: Vec<usize> = (0..workers as u64).filter_map(|nth| of(Some(nth))).collect();
            assert_eq!(all, expected, "{size} over {workers}");
            assert_eq!(of(None), None);
        }
    }
}
