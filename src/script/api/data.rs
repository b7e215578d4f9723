//! `loadrun.data`: files of test data, read once in a process however many users and workers use
//! them.
//!
//! What is read becomes plain data behind an `Arc`; a script gets a read-only view of it, so a
//! file of a million rows is in memory once and not once a Lua state. Files are read while the
//! script loads, from the script's own folder only. What is wrong with a file is said with its
//! name, and with the line where there is one.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use mlua::{Function, Lua, Value};

use super::super::call::Call;
use super::super::context::Context;
use super::super::options::{self, Options};
use super::super::plain::{Plain, View};
use super::super::require::confined;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &["csv", "json", "lines"];

/// One file read in one way, or why it could not be.
#[derive(Default)]
struct Reading(OnceLock<Result<Plain, String>>);

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("csv", lua.create_function(csv)?)?;
    table.set("json", file_of(lua, "data.json", json)?)?;
    table.set("lines", file_of(lua, "data.lines", lines)?)?;
    Ok(Value::Table(table))
}

/// How a CSV file is written.
struct Dialect {
    /// The byte between two fields.
    delimiter: u8,
    /// Whether the first record names the columns.
    header: bool,
}

fn csv(lua: &Lua, (path, given): (Value, Value)) -> mlua::Result<Value> {
    let call = Call::new(lua, "data.csv");
    let options = Options::new(lua, "data.csv", given, &["delimiter", "header"])?;
    let delimiter = match options.string("delimiter")?.as_deref().map(str::as_bytes) {
        None => b',',
        Some([byte]) => *byte,
        Some(_) => return Err(call.wrong("delimiter: expected a single ASCII character")),
    };
    let dialect = Dialect { delimiter, header: options.boolean("header")?.unwrap_or(true) };
    let way = format!("csv {delimiter} {}", dialect.header);
    read(lua, call, &way, &path, |text| records(text, &dialect))
}

/// A function that reads files in one way, without options.
fn file_of(
    lua: &Lua,
    name: &'static str,
    parse: fn(&[u8]) -> Result<Plain, String>,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, path: Value| read(lua, Call::new(lua, name), name, &path, parse))
}

/// The view of a file read in this way; it is read now if nobody in the process has done so.
fn read(
    lua: &Lua,
    call: Call,
    way: &str,
    path: &Value,
    parse: impl FnOnce(&[u8]) -> Result<Plain, String>,
) -> mlua::Result<Value> {
    let shown = call.takes("path", options::string(path))?;
    let context = Context::of(lua)?;
    context.may_declare(lua, call.name())?;
    let folder = &context.world.source.folder;
    let file = confined(folder, &folder.join(&shown)).map_err(|why| call.wrong(why))?;
    let reading: Arc<Reading> =
        context.world.kept(&format!("{way} {}", file.display()), Reading::default);
    let read = reading.0.get_or_init(|| {
        let text = contents(&file).map_err(|why| format!("cannot read `{shown}`: {why}"))?;
        parse(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text))
            .map_err(|why| format!("`{shown}`: {why}"))
    });
    match read {
        Ok(plain) => View::of(lua, plain),
        Err(why) => Err(call.wrong(why)),
    }
}

/// The bytes of an ordinary file; a device or a pipe might never end.
fn contents(file: &Path) -> Result<Vec<u8>, String> {
    if !file.is_file() {
        return Err("it is not an ordinary file".to_owned());
    }
    std::fs::read(file).map_err(|why| why.to_string())
}

fn json(text: &[u8]) -> Result<Plain, String> {
    serde_json::from_slice(text).map(Plain::from_json).map_err(|why| why.to_string())
}

/// The lines of a text without their ends; a last line end begins no further line.
#[allow(clippy::unnecessary_wraps, reason = "one way to read a file among others that fail")]
fn lines(text: &[u8]) -> Result<Plain, String> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return Ok(Plain::list([]));
    }
    let lines = text.split(|byte| *byte == b'\n');
    Ok(Plain::list(lines.map(|line| Plain::text(line.strip_suffix(b"\r").unwrap_or(line)))))
}

/// The records of a CSV text: maps by column name, or lists when there is no header.
fn records(text: &[u8], dialect: &Dialect) -> Result<Plain, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .has_headers(dialect.header)
        .from_reader(text);
    let columns = if dialect.header { columns(&mut reader)? } else { Vec::new() };
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| malformed(&error))?;
        let cells = record.iter().map(Plain::text);
        rows.push(if dialect.header {
            Plain::map(columns.iter().cloned().zip(cells))
        } else {
            Plain::list(cells)
        });
    }
    Ok(Plain::list(rows))
}

/// The column names: at least one, each once.
fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<Plain>, String> {
    let header = reader.byte_headers().map_err(|error| malformed(&error))?;
    if header.is_empty() {
        return Err("expected a first line with the names of the columns, got nothing".to_owned());
    }
    let mut seen = HashSet::new();
    for name in header {
        if !seen.insert(name) {
            let name = String::from_utf8_lossy(name);
            return Err(format!("line 1: column {name:?} is there twice"));
        }
    }
    Ok(header.iter().map(Plain::text).collect())
}

fn malformed(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos: Some(at), expected_len, len } => {
            format!("line {}: expected {expected_len} fields, got {len}", at.line())
        }
        _ => match error.position() {
            Some(at) => format!("line {}: {error}", at.line()),
            None => error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::testing;
    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn run(folder: &TempDir, code: &str) -> Result<String, String> {
        let lua = testing::state(&testing::world(folder.path()), "data", module);
        let result = lua.load(code).eval();
        result.map_err(|error| testing::wrong::<String>(&lua, Err(error)))
    }

    #[test]
    fn a_csv_file_is_a_list_of_rows_by_column_name() {
        let text = "\u{feff}name,note\nann,\"a, \"\"b\"\"\nc\"\nbob,\n";
        let folder = folder(&[("users.csv", text), ("bare.csv", "1;2\n3;4\n")]);
        let code = "local rows, all = data.csv 'users.csv', {}
            for i, row in ipairs(rows) do all[i] = row.name .. '=' .. row.note end
            return #rows .. ' ' .. table.concat(all, ' ') .. ' ' .. tostring(rows[1].nobody)";
        assert_eq!(run(&folder, code).unwrap(), "2 ann=a, \"b\"\nc bob= nil");
        let code = "local rows = data.csv('bare.csv', { header = false, delimiter = ';' })
            return rows[2][1] .. rows[2][2] .. #rows[1]";
        assert_eq!(run(&folder, code).unwrap(), "342");
    }

    #[test]
    fn a_json_file_is_read_to_any_depth_and_cannot_be_changed() {
        let folder = folder(&[("shop.json", r#"{"items":[{"id":9007199254740993,"tags":[]}]}"#)]);
        let code = "local shop = data.json 'shop.json'
            local keys = {}
            for key, value in pairs(shop.items[1]) do keys[#keys + 1] = key end
            local ok, error = pcall(function() shop.items[1].id = 1 end)
            return table.concat({ shop.items[1].id, #shop.items[1].tags, table.concat(keys, ','),
              tostring(ok), tostring(error):match('data is read%-only'), tostring(shop.items[2]),
              tostring(shop == data.json 'shop.json') }, ' ')";
        assert_eq!(
            run(&folder, code).unwrap(),
            "9007199254740993 0 id,tags false data is read-only nil true"
        );
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let folder = folder(&[("a.txt", "one\r\n\n two \n"), ("empty.txt", "")]);
        let code = "local l = data.lines 'a.txt'
            return #l .. l[1] .. '|' .. l[2] .. '|' .. l[3] .. '|' .. #data.lines 'empty.txt'";
        assert_eq!(run(&folder, code).unwrap(), "3one|| two |0");
    }

    #[test]
    fn a_file_is_read_once_for_all_states_of_a_run() {
        let folder = folder(&[("a.txt", "before")]);
        let world = testing::world(folder.path());
        let read = || {
            let lua = testing::state(&world, "data", module);
            lua.load("return data.lines('a.txt')[1]").eval::<String>().unwrap()
        };
        assert_eq!(read(), "before");
        std::fs::write(folder.path().join("a.txt"), "after").unwrap();
        assert_eq!(read(), "before");
    }

    #[test]
    fn nothing_outside_the_scripts_folder_can_be_read() {
        let folder = folder(&[]);
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.txt")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("etc")).unwrap();
        for path in ["../../etc/passwd", "/etc/passwd", "link.txt", "etc/passwd"] {
            let error = run(&folder, &format!("return data.lines '{path}'")).unwrap_err();
            assert!(error.contains("lies outside the script's folder"), "{path}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name_and_line() {
        let folder = folder(&[
            ("uneven.csv", "a,b\n1,2\n1\n"),
            ("twice.csv", "a,a\n1,2\n"),
            ("empty.csv", ""),
            ("bad.json", "{\n  \"a\": ,\n}"),
        ]);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let cases = [
            ("csv 'uneven.csv'", "data.csv: `uneven.csv`: line 3: expected 2 fields, got 1"),
            ("csv 'twice.csv'", "`twice.csv`: line 1: column \"a\" is there twice"),
            ("csv 'empty.csv'", "`empty.csv`: expected a first line with the names"),
            ("json 'bad.json'", "data.json: `bad.json`: expected value at line 2 column 8"),
            ("lines 'none.txt'", "data.lines: there is no file `none.txt` beside the script"),
            ("lines 'sub'", "cannot read `sub`: it is not an ordinary file"),
            ("lines(7)", "data.lines: path: expected a string, got 7"),
            ("csv('twice.csv', { delimiter = '::' })", "delimiter: expected a single ASCII"),
            ("csv('twice.csv', { heade = true })", "unknown key `heade`; did you mean `header`?"),
        ];
        for (call, expected) in cases {
            let error = run(&folder, &format!("return data.{call}")).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
