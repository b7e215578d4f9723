//! Errors of a script: what, where, and through which of the script's own lines.
//!
//! Lua hands errors over as text with a traceback behind it, or, when Rust raised them, wrapped
//! in layers. Here both become one [`ScriptError`]: a message without its prefix, a place, and a
//! traceback from which the engine's own frames are gone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use mlua::{Error, Lua, MultiValue, Value};

use super::context::{Source, World};
use super::options::shown;
use super::{api, syntax};
use crate::plan::{Place, Problem, nearest};

/// Distinct errors kept in one Lua state; others are only counted.
const KEPT: usize = 100;

/// Distinct errors kept of one place; others there are told as one.
const OF_A_PLACE: usize = 5;

/// What those others are called.
const OTHERS: &str = "other errors of this line";

/// Longest name of a chunk that Lua shows whole.
const CHUNK: usize = 50;
/// Name of the script's chunk when its own will not do.
const UNNAMED: &str = "(script).lua";

/// Name of the chunks in which functions of Lua's library are wrapped.
pub(super) const LAYER: &str = "[lib base]";

/// What Lua puts between a message and the traceback of its error.
const TRACEBACK: &str = "\nstack traceback:\n";

/// What separates a message from its hint.
const HINT: &str = "\n  hint: ";

/// An error a script raised or was given.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ScriptError {
    /// The message, without the place before it.
    pub what: String,
    /// The nearest line of the script; `None` when the error came from no line at all.
    pub at: Option<Place>,
    /// What to do next, when that is known.
    pub hint: Option<String>,
    /// The script's own frames, innermost first: `shop.lua:12: in function 'buy'`.
    pub traceback: Vec<String>,
}

impl ScriptError {
    /// Reads an error that came out of Lua.
    pub fn new(error: &Error, source: &Source) -> Self {
        let (text, frames) = unwrapped(error);
        let (prefix, rest) = split_place(&text);
        let mut traceback: Vec<String> =
            frames.iter().filter(|frame| own(frame)).map(|frame| source.shown(frame)).collect();
        // Of a function that calls itself once is enough.
        traceback.dedup();
        let at = prefix.filter(|(chunk, _)| own(chunk)).or_else(|| {
            frames.iter().find(|frame| own(frame)).and_then(|frame| split_frame(frame))
        });
        let (what, hint) = match rest.split_once(HINT) {
            Some((what, hint)) => (what, Some(hint.to_owned())),
            None if rest.starts_with("table: 0x") => {
                ("a table was raised as an error", Some("raise text: `error(\"...\")`".to_owned()))
            }
            None => (rest, missing(rest)),
        };
        Self {
            what: what.to_owned(),
            at: at.map(|(chunk, line)| Place { file: source.shown(chunk), line }),
            hint,
            traceback,
        }
    }

    /// The same without the values of the run's secret parameters.
    pub(super) fn masked(self, world: &World) -> Self {
        Self {
            what: world.masked(self.what),
            at: self.at,
            hint: self.hint.map(|hint| world.masked(hint)),
            traceback: self.traceback.into_iter().map(|frame| world.masked(frame)).collect(),
        }
    }

    /// An error without a line.
    pub fn plain(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None, hint: None, traceback: Vec::new() }
    }

    /// The same as a reason for which the run cannot start.
    pub fn into_problem(self) -> Problem {
        Problem { what: self.what, at: self.at, hint: self.hint }
    }
}

impl Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(at) = &self.at {
            write!(f, "\n  --> {at}")?;
        }
        let place = self.at.as_ref().map(|at| format!("{at}: "));
        let repeats = |frame: &&String| place.as_ref().is_some_and(|at| frame.starts_with(at));
        let first = self.traceback.first().filter(repeats);
        for frame in self.traceback.iter().skip(usize::from(first.is_some())) {
            write!(f, "\n      {frame}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "{HINT}{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ScriptError {}

impl Source {
    /// The script's line that is being run.
    pub(super) fn caller(&self, lua: &Lua) -> Place {
        let (chunk, line) = caller(lua).unwrap_or_else(|| (self.chunk(), 1));
        Place { file: self.shown(&chunk), line }
    }

    /// The name of the script's own chunk: short, because Lua cuts long ones, and ending in
    /// `.lua`, whatever the file is called, so that it can be told in a message.
    pub(super) fn chunk(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_lua(&name) && name.len() <= CHUNK { name } else { UNNAMED.to_owned() }
    }

    /// A chunk's name, or a frame that begins with one, as a path the user can open.
    pub(super) fn shown(&self, chunk: &str) -> String {
        if let Some(rest) = chunk.strip_prefix(UNNAMED) {
            return format!("{}{rest}", self.path.display());
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(chunk).display().to_string()
    }
}

/// The errors of one Lua state: one kept of those that differ in no more than numbers, with their
/// count.
#[derive(Debug, Default)]
pub struct Errors {
    kept: BTreeMap<(Option<Place>, String), Vec<Kept>>,
    beyond: u64,
}

/// An error of one place and scenario.
#[derive(Clone, Debug)]
struct Kept {
    /// Its message without the numbers in it.
    shape: String,
    error: ScriptError,
    count: u64,
}

impl Kept {
    /// The same as one of those that are not told apart.
    fn for_others(mut self) -> Self {
        self.error.what = format!("{OTHERS}, such as: {}", self.error.what);
        Self { shape: OTHERS.to_owned(), ..self }
    }
}

impl Errors {
    /// Counts an error; keeps it when it is the first of its kind.
    pub fn add(&mut self, scenario: &str, error: ScriptError) {
        let shape = without_numbers(&error.what);
        self.count(scenario, Kept { shape, error, count: 1 });
    }

    /// Adds what another state counted.
    pub fn merge(&mut self, other: &Self) {
        self.beyond += other.beyond;
        for ((_, scenario), here) in &other.kept {
            for kept in here {
                self.count(scenario, kept.clone());
            }
        }
    }

    fn count(&mut self, scenario: &str, more: Kept) {
        let room = self.kept.values().map(Vec::len).sum::<usize>() < KEPT;
        let here = self.kept.entry((more.error.at.clone(), scenario.to_owned())).or_default();
        let crowded = here.len() >= OF_A_PLACE;
        let known = here.iter().position(|known| known.shape == more.shape);
        let others = || here.iter().position(|known| crowded && known.shape == OTHERS);
        match known.or_else(others) {
            Some(at) => here[at].count += more.count,
            None if room && (!crowded || more.shape == OTHERS) => here.push(more),
            None if !here.is_empty() => here.push(more.for_others()),
            None => self.beyond += more.count,
        }
    }

    /// Scenario, error and count of every kind.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ScriptError, u64)> {
        self.kept.iter().flat_map(|((_, scenario), here)| {
            here.iter().map(|kept| (scenario.as_str(), &kept.error, kept.count))
        })
    }

    /// How many errors happened, those that were not kept included.
    pub fn total(&self) -> u64 {
        self.beyond + self.iter().map(|(.., count)| count).sum::<u64>()
    }
}

/// A message with every number in it made alike.
fn without_numbers(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            other => shape.push(other),
        }
    }
    shape
}

/// The error of a wrong call from Lua, placed at the line of the script that made the call.
///
/// A text may end with `\n  hint: ...`; the hint is shown on a line of its own.
pub fn misuse(lua: &Lua, what: impl Display) -> Error {
    match caller(lua) {
        Some((chunk, line)) => Error::runtime(format!("{chunk}:{line}: {what}")),
        None => Error::runtime(what.to_string()),
    }
}

/// An error that a wait ended with, placed like [`misuse`] where it is ours and has no place yet; one
/// that comes from Lua has its traceback.
pub(super) fn placed(lua: &Lua, error: Error) -> Error {
    match error {
        Error::RuntimeError(text)
            if split_place(&text).0.is_none() && !text.contains(TRACEBACK) =>
        {
            misuse(lua, text)
        }
        error => error,
    }
}

/// The nearest line of the script itself on the stack: its chunk name and line.
pub fn caller(lua: &Lua) -> Option<(String, u32)> {
    for level in 0.. {
        let frame = lua.inspect_stack(level, |frame| {
            let chunk = frame.source().short_src.map(Cow::into_owned).unwrap_or_default();
            (chunk, frame.current_line())
        })?;
        if let (chunk, Some(line)) = frame
            && own(&chunk)
        {
            return Some((chunk, line as u32));
        }
    }
    None
}

/// The values of a call to `print` or `log` as one line.
pub fn words(lua: &Lua, values: &MultiValue) -> String {
    let texts = values.iter().map(|value| match value {
        Value::Error(error) => message(error),
        // Lua's own form: `2.0` is a float, and 14 digits are enough.
        Value::Number(_) => match lua.coerce_string(value.clone()) {
            Ok(Some(text)) => text.to_string_lossy(),
            _ => shown(value),
        },
        value => value.to_string().unwrap_or_else(|_| shown(value)),
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// The message of an error without layers and traceback, with its place before it.
pub fn message(error: &Error) -> String {
    unwrapped(error).0
}

/// An error's text without a place in the engine's own layer before it.
pub fn without_layer(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(LAYER.as_bytes())?.strip_prefix(b":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].strip_prefix(b": ")
}

/// What was meant by the call of something that is not there, or is no function.
fn missing(what: &str) -> Option<String> {
    if !what.starts_with("attempt to call a nil value") {
        let (_, called) = what.strip_prefix("attempt to call a ")?.split_once(" value (")?;
        let name = ["method '", "field '"].iter().find_map(|kind| called.strip_prefix(kind))?;
        let name = name.strip_suffix("')")?;
        return Some(format!("it is a value and not a function: write `.{name}`, without a call"));
    }
    let (_, called) = what.strip_prefix("attempt to call a nil value (")?.split_once('\'')?;
    let name = called.strip_suffix("')")?;
    if let Some(module) = api::holder(name) {
        return Some(format!("there is `{module}.{name}`, of `loadrun.{module}`"));
    }
    if !what.contains("(method '") {
        return None;
    }
    let near = nearest(name, api::methods())?;
    (near != name).then(|| format!("did you mean `{near}`?"))
}

/// An error of the compiler, with what was meant where that can be told.
pub(super) fn hinted(error: Error, text: &[u8]) -> Error {
    let Error::SyntaxError { message, incomplete_input } = error else { return error };
    let number = split_place(&message).0.map_or(0, |(_, line)| line as usize);
    let text = String::from_utf8_lossy(text);
    let line = number.checked_sub(1).and_then(|before| text.lines().nth(before));
    let message = match line.and_then(|line| syntax::hint(&message, line)) {
        Some(hint) => format!("{message}{HINT}{hint}"),
        None => message,
    };
    Error::SyntaxError { message, incomplete_input }
}

/// The innermost message and the frames of the innermost traceback.
fn unwrapped(error: &Error) -> (String, Vec<String>) {
    match error {
        Error::CallbackError { traceback, cause } => {
            let (text, frames) = unwrapped(cause);
            (text, if frames.is_empty() { frames_of(traceback) } else { frames })
        }
        Error::WithContext { context, cause } => {
            let (text, frames) = unwrapped(cause);
            (format!("{context}: {text}"), frames)
        }
        Error::RuntimeError(text) => match text.split_once(TRACEBACK) {
            Some((text, traceback)) => (text.to_owned(), frames_of(traceback)),
            None => (text.clone(), Vec::new()),
        },
        Error::SyntaxError { message, .. } => (message.clone(), Vec::new()),
        Error::BadArgument { to: Some(method), name: Some(name), cause, .. }
            if name == "self" && is_another(cause) =>
        {
            let name = method.rsplit('.').next().unwrap_or(method);
            let form = format!("expected a call with a colon, `x:{name}(...)`");
            (format!("{name}: {form}"), Vec::new())
        }
        Error::MemoryError(_) => {
            let limit = super::vm::MEMORY_LIMIT >> 30;
            (format!("out of memory: a Lua state may hold {limit} GiB"), Vec::new())
        }
        other => (other.to_string(), Vec::new()),
    }
}

/// Whether a value was of another type than the one expected.
fn is_another(error: &Error) -> bool {
    matches!(error, Error::FromLuaConversionError { .. } | Error::UserDataTypeMismatch)
}

/// The lines of a traceback, trimmed.
fn frames_of(traceback: &str) -> Vec<String> {
    let lines = traceback.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && *line != "stack traceback:")
        .map(str::to_owned)
        .collect()
}

/// Does this chunk name, or frame that begins with one, belong to the script itself?
fn own(chunk: &str) -> bool {
    !chunk.starts_with(['[', '?'])
        && !chunk.starts_with("(...")
        && !chunk.starts_with("...")
        && !chunk.starts_with("__mlua")
        && !chunk.is_empty()
}

/// Is this a file name as chunks are called? Exactly in lower case, because chunks are.
fn is_lua(name: &str) -> bool {
    name.as_bytes().ends_with(b".lua")
}

/// `shop.lua:12: text` into its place and its text.
fn split_place(text: &str) -> (Option<(&str, u32)>, &str) {
    let mut from = 0;
    while let Some(colon) = text[from..].find(':').map(|at| from + at) {
        let digits = text[colon + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = colon + 1 + digits;
        let chunk = &text[..colon];
        let names_file = chunk.starts_with("[lib ") || is_lua(chunk);
        if digits > 0 && text[end..].starts_with(": ") && names_file && !chunk.contains('\n') {
            let line = text[colon + 1..end].parse().ok();
            return (line.map(|line| (chunk, line)), &text[end + 2..]);
        }
        from = colon + 1;
    }
    (None, text)
}

/// `shop.lua:12: in function 'buy'` into its place.
fn split_frame(frame: &str) -> Option<(&str, u32)> {
    split_place(frame).0
}
