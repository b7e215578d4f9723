//! The house's two tables, held against the code: which room may import which, and which crate
//! may be named where. A room imports only from lower levels; rooms on one level never see each
//! other; a file that stands directly in a room says `super` for it, and only deeper ones name it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room with its level: a room imports only from lower ones.
const ROOMS: &[(&str, u8)] = &[
    ("units", 0),
    ("statistics", 0),
    ("metric", 1),
    ("process", 1),
    ("plan", 2),
    ("ledger", 2),
    ("recovery", 2),
    ("wire", 3),
    ("outcome", 3),
    ("client", 4),
    ("compare", 4),
    ("executor", 4),
    ("history", 4),
    ("service", 4),
    ("listen", 4),
    ("sandbox", 4),
    ("toxiproxy", 4),
    ("baseline", 5),
    ("fault", 5),
    ("report", 5),
    ("script", 6),
    ("engine", 7),
    ("error", 8),
    ("cli", 9),
    ("main", 10),
];

/// Crates that stand for one idea, and the only rooms that may name them.
const CRATES: &[(&str, &[&str])] = &[
    ("mlua", &["script"]),
    ("nix", &["client", "script"]),
    ("hdrhistogram", &["metric"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("console", &["cli"]),
    ("hyper", &["client"]),
    ("hyper_util", &["client"]),
    ("httparse", &["client"]),
    ("cookie_store", &["client"]),
    ("flate2", &["client"]),
    ("h2", &["client"]),
    ("ruzstd", &["client"]),
    ("brotli_decompressor", &["client"]),
    ("rustls", &["wire"]),
    ("tokio_rustls", &["wire"]),
    ("axum", &["listen", "sandbox", "toxiproxy"]),
    ("redis", &["client", "sandbox"]),
    ("reqwest", &["service", "sandbox"]),
    ("sqlx", &["client", "history", "sandbox"]),
    ("csv", &["script", "report"]),
    ("quick_junit", &["report"]),
    ("maud", &["report"]),
    ("procfs", &["process"]),
    ("roaring", &["ledger"]),
];

/// Files of `src`, each with the room it stands in.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let room = inside.components().next().unwrap().as_os_str().to_string_lossy();
                let room = room.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                files.push((room, inside.to_owned(), text));
            }
        }
    }
    files
}

/// The lines of code of a file that ships: no comments, and nothing from an inline module of
/// tests on. What is marked `#[cfg(test)]` and is no such module hides nothing below it.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
    });
    let shipped = lines.into_iter().take(tests.unwrap_or(usize::MAX)).enumerate();
    shipped
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

#[test]
fn a_declaration_of_tests_hides_nothing_below_it() {
    let text = "#[cfg(test)]\nmod tests;\nuse a;\n// no\n#[cfg(test)]\nfn b() {}\n\
                #[cfg(test)]\nmod inner {\nuse c;\n}";
    let seen: Vec<_> = code(text).filter(|(_, line)| line.starts_with("use")).collect();
    assert_eq!(seen, [(3, "use a;")]);
    assert_eq!(code(text).last(), Some((6, "fn b() {}")));
}

/// Rooms a line names as `crate::room` or, in the binary, `loadrun::room`.
fn rooms_named(line: &str) -> Vec<String> {
    let mut named = Vec::new();
    for prefix in ["crate::", "loadrun::"] {
        for part in line.split(prefix).skip(1) {
            if let Some(group) = part.strip_prefix('{') {
                named.extend(group.split(['}', ',']).map(first_word));
            } else {
                named.push(first_word(part));
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_room_imports_only_from_lower_levels() {
    let levels: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut broken = Vec::new();
    for (room, path, text) in sources() {
        if room == "lib" || is_test(&path) {
            continue;
        }
        let level =
            levels.get(room.as_str()).unwrap_or_else(|| panic!("room `{room}` has no level"));
        for (at, line) in code(&text) {
            for named in rooms_named(line) {
                let Some(other) = levels.get(named.as_str()) else {
                    continue;
                };
                let within = named == room && path.components().count() > 2;
                if other >= level && !within {
                    broken.push(format!("{}:{at}: {room} imports {named}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_crate_is_named_only_in_its_rooms() {
    let mut broken = Vec::new();
    for (room, path, text) in sources() {
        if is_test(&path) {
            continue;
        }
        for (at, line) in code(&text) {
            for (name, rooms) in CRATES {
                if names(line, name) && !rooms.contains(&room.as_str()) {
                    broken.push(format!("{}:{at}: {room} names {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Whether a path in `line` begins with the crate, rather than with something that ends like it.
fn names(line: &str, krate: &str) -> bool {
    line.match_indices(&format!("{krate}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, _, text)| !text.starts_with("//!"))
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no module doc: {}", silent.join(", "));
}

#[test]
fn one_file_may_have_unsafe_code() {
    let allowed: Vec<_> = sources()
        .into_iter()
        .filter(|(_, _, text)| code(text).any(|(_, line)| line.contains("unsafe_code")))
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert_eq!(allowed, ["script/stall.rs"]);
}

#[test]
fn only_main_exits() {
    let exits: Vec<_> = sources()
        .into_iter()
        .filter(|(room, _, text)| {
            room != "main" && code(text).any(|(_, l)| l.contains("process::exit"))
        })
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(exits.is_empty(), "{}", exits.join(", "));
}
