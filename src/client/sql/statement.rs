//! The text of a statement, read as far as it must be: what it is called, how many parameters it
//! has, and whether it reaches files.
//!
//! This is no parser: it knows where literals, comments and quoted names begin and end in the
//! three dialects, and nothing of grammar.

/// Longest name a statement is given, in bytes.
const LONGEST: usize = 72;

/// A piece of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Spaces and comments.
    Space,
    /// A name or a word of the language.
    Word(&'a [u8]),
    /// A name in quotes.
    Quoted(&'a [u8]),
    /// A string or a number.
    Literal,
    /// `?`, `?2` or `$2`, with its number where it has one.
    Parameter(Option<usize>),
    /// Anything else.
    Mark(u8),
}

/// Appends what a statement is called when nobody says: its text on one line, without the values in
/// it. Statements that differ in their values alone, or in how many there are in a list, have one
/// name.
pub fn name(text: &[u8], name: &mut Vec<u8>) {
    let from = name.len();
    let mut spaced = false;
    for token in tokens(text) {
        if token == Token::Space {
            spaced = true;
            continue;
        }
        if name.len() > from + LONGEST {
            break;
        }
        if std::mem::take(&mut spaced) && name.len() > from {
            name.push(b' ');
        }
        match token {
            Token::Space => {}
            Token::Word(word) | Token::Quoted(word) => name.extend(word),
            Token::Literal | Token::Parameter(_) => value(name, from),
            Token::Mark(mark) => close(name, from, mark),
        }
    }
    while name.len() > from && matches!(name.last(), Some(b' ' | b';')) {
        name.pop();
    }
    shorten(name, from);
}

/// Appends `?`, but not a second one to a list of them.
fn value(name: &mut Vec<u8>, from: usize) {
    let spaces = name[from..].iter().rev().take_while(|byte| **byte == b' ').count();
    let end = name.len() - spaces;
    if name[from..end].ends_with(b"?,") {
        name.truncate(end - 1);
    } else {
        name.push(b'?');
    }
}

/// Appends a mark, but not a second `(?)` to a list of them.
fn close(name: &mut Vec<u8>, from: usize, mark: u8) {
    name.push(mark);
    for list in [&b"(?), (?)"[..], b"(?),(?)"] {
        if name[from..].ends_with(list) {
            name.truncate(name.len() - list.len() + 3);
        }
    }
}

/// Cuts a name that is too long, between two characters.
fn shorten(name: &mut Vec<u8>, from: usize) {
    if name.len() - from <= LONGEST {
        return;
    }
    let mut end = from + LONGEST - 3;
    while end > from && name[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    name.truncate(end);
    name.extend(b"...");
}

/// How many parameters a statement of SQLite has.
pub(super) fn parameters(text: &str) -> usize {
    let mut most = 0;
    for token in tokens(text.as_bytes()) {
        if let Token::Parameter(number) = token {
            most = number.map_or(most + 1, |number| most.max(number));
        }
    }
    most
}

/// The word by which a statement of SQLite would reach a file of its own choice.
pub(super) fn reaches_files(text: &str) -> Option<&'static str> {
    let mut vacuum = false;
    for token in tokens(text.as_bytes()) {
        match token {
            Token::Word(word) if word.eq_ignore_ascii_case(b"attach") => return Some("ATTACH"),
            Token::Word(word) if vacuum && word.eq_ignore_ascii_case(b"into") => {
                return Some("VACUUM INTO");
            }
            Token::Word(word) if word.eq_ignore_ascii_case(b"temp_store_directory") => {
                return Some("PRAGMA temp_store_directory");
            }
            Token::Word(word) if word.eq_ignore_ascii_case(b"vacuum") => vacuum = true,
            Token::Mark(b';') => vacuum = false,
            _ => {}
        }
    }
    None
}

/// Whether a statement of SQLite changes the schema, after which statements must be prepared anew.
pub(super) fn changes_schema(text: &str) -> bool {
    let words = [&b"create"[..], b"alter", b"drop"];
    any_word(text, &words)
}

/// Whether a transaction ends in it, and with it what it did to the schema is seen by others.
pub(super) fn ends_transaction(text: &str) -> bool {
    any_word(text, &[b"commit", b"end", b"rollback"])
}

/// Whether a statement is one that changes rows. After any other servers count what they read
/// (PostgreSQL), or still what an earlier one changed (SQLite).
pub fn changes_rows(text: &str) -> bool {
    let first = tokens(text.as_bytes()).find_map(|token| match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        _ => None,
    });
    match first.as_deref() {
        Some(b"with") => any_word(text, &[b"insert", b"update", b"delete", b"merge"]),
        Some(first) => CHANGING.contains(&first),
        None => false,
    }
}

/// What statements that change rows begin with, or may.
const CHANGING: &[&[u8]] = &[
    b"call", b"copy", b"delete", b"do", b"execute", b"insert", b"load", b"merge", b"replace",
    b"update",
];

fn any_word(text: &str, words: &[&[u8]]) -> bool {
    tokens(text.as_bytes()).any(|token| match token {
        Token::Word(found) => words.iter().any(|word| found.eq_ignore_ascii_case(word)),
        _ => false,
    })
}

/// Whether a text has more than one statement of SQLite in it. A trigger has statements of its own.
pub(super) fn is_several(text: &str) -> bool {
    let mut ended = false;
    for token in tokens(text.as_bytes()) {
        match token {
            Token::Mark(b';') => ended = true,
            Token::Space => {}
            _ if ended => return !any_word(text, &[b"trigger"]),
            _ => {}
        }
    }
    false
}

fn tokens(text: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let (token, length) = token(first, rest);
        rest = &rest[length.min(rest.len())..];
        Some(token)
    })
}

fn token(first: u8, text: &[u8]) -> (Token<'_>, usize) {
    let second = text.get(1).copied().unwrap_or_default();
    match first {
        b' ' | b'\t' | b'\r' | b'\n' => {
            (Token::Space, text.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
        }
        b'-' if second == b'-' => {
            (Token::Space, text.iter().take_while(|byte| **byte != b'\n').count())
        }
        b'/' if second == b'*' => {
            let end = text.windows(2).skip(2).position(|two| two == b"*/");
            (Token::Space, end.map_or(text.len(), |end| end + 4))
        }
        b'\'' => (Token::Literal, quoted(text, b'\'')),
        b'"' | b'`' => {
            let length = quoted(text, first);
            (Token::Quoted(&text[..length]), length)
        }
        b'?' => {
            let digits = digits(&text[1..]);
            (Token::Parameter(number(&text[1..=digits])), 1 + digits)
        }
        b'$' if second.is_ascii_digit() => {
            let digits = digits(&text[1..]);
            (Token::Parameter(number(&text[1..=digits])), 1 + digits)
        }
        b'$' => dollars(text),
        b'0'..=b'9' => {
            let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
            (Token::Literal, text.iter().take_while(part).count())
        }
        _ if is_word(first) => {
            let length = text.iter().take_while(|byte| is_word(**byte) || **byte == b'$').count();
            (Token::Word(&text[..length]), length)
        }
        mark => (Token::Mark(mark), 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// How long what begins with a quote is; a doubled one is part of it.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        if text[at] != quote {
            at += 1;
        } else if text.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    text.len()
}

/// `$tag$ ... $tag$`, or a lone dollar sign.
fn dollars(text: &[u8]) -> (Token<'_>, usize) {
    let tag = 1 + text[1..].iter().take_while(|byte| is_word(**byte)).count();
    if text.get(tag) != Some(&b'$') {
        return (Token::Mark(b'$'), 1);
    }
    let tag = &text[..=tag];
    let body = &text[tag.len()..];
    let end = body.windows(tag.len()).position(|window| window == tag);
    (Token::Literal, end.map_or(text.len(), |end| tag.len() * 2 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> String {
        let mut made = b"before:".to_vec();
        name(text.as_bytes(), &mut made);
        String::from_utf8(made).unwrap().strip_prefix("before:").unwrap().to_owned()
    }

    #[test]
    fn what_changes_rows_is_known_by_its_first_word() {
        for changing in [
            "INSERT INTO t VALUES (1)",
            "  -- a note\n update t SET a = 1",
            "WITH old AS (SELECT 1) DELETE FROM t",
            "REPLACE INTO t VALUES (1)",
        ] {
            assert!(changes_rows(changing), "{changing}");
        }
        for other in [
            "SELECT * FROM t FOR UPDATE",
            "(SELECT 'insert')",
            "WITH a AS (SELECT 'delete') SELECT * FROM a",
            "CREATE TABLE u (a)",
            "",
        ] {
            assert!(!changes_rows(other), "{other}");
        }
    }

    #[test]
    fn a_name_is_the_statement_without_its_values() {
        for (text, expected) in [
            ("SELECT * FROM t WHERE id = 17", "SELECT * FROM t WHERE id = ?"),
            ("SELECT a,\n   b -- both\nFROM t /* all */ ;", "SELECT a, b FROM t"),
            ("SELECT 'it''s' , \"Name\", 1.5e3", "SELECT ? , \"Name\", ?"),
            ("SELECT * FROM t WHERE id IN ($1, $2,$3)", "SELECT * FROM t WHERE id IN (?)"),
            ("INSERT INTO t VALUES (?, ?), (?, ?),(?,?)", "INSERT INTO t VALUES (?)"),
            ("SELECT $$it's$$, $a$ $$ $a$, x", "SELECT ?, x"),
            ("select v2, t.c3 from `t 1`", "select v2, t.c3 from `t 1`"),
            ("SELECT a -> 'b' FROM t", "SELECT a -> ? FROM t"),
            ("SELECT 'open", "SELECT ?"),
            ("", ""),
            (" ;; ", ""),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_short_and_cut_between_characters() {
        for text in ["é".repeat(100), "a ".repeat(1_000_000), "(?),".repeat(9) + &"x".repeat(90)] {
            let name = named(&text);
            assert!(name.len() <= LONGEST && name.ends_with("..."), "{name}");
        }
        assert_eq!(named(&"x".repeat(LONGEST)).len(), LONGEST);
    }

    #[test]
    fn parameters_are_counted_as_sqlite_counts_them() {
        for (text, count) in [
            ("SELECT ?, ?", 2),
            ("SELECT ?2, ?1", 2),
            ("SELECT $1, $3", 3),
            ("SELECT '?', \"?\", [a] -- ?\n, ?5, ?", 6),
            ("SELECT 1", 0),
        ] {
            assert_eq!(parameters(text), count, "{text}");
        }
    }

    #[test]
    fn statements_that_choose_a_file_are_found_and_no_others() {
        for (text, word) in [
            ("ATTACH 'x' AS y", Some("ATTACH")),
            ("select 1; /* */ aTTach database 'x' as y", Some("ATTACH")),
            ("VACUUM main INTO 'x'", Some("VACUUM INTO")),
            ("PRAGMA temp_store_directory = '/'", Some("PRAGMA temp_store_directory")),
            ("VACUUM; INSERT INTO t VALUES ('attach')", None),
            ("SELECT \"attach\", attachment FROM t -- attach", None),
        ] {
            assert_eq!(reaches_files(text), word, "{text}");
        }
    }

    #[test]
    fn one_statement_is_told_from_several_and_a_change_of_the_schema_from_others() {
        for (text, several, schema) in [
            ("SELECT ';' ; -- ; more", false, false),
            ("SELECT 1; SELECT 2", true, false),
            ("INSERT INTO t VALUES ('create');;", false, false),
            ("create TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END", false, true),
            ("ALTER TABLE t ADD c", false, true),
        ] {
            assert_eq!((is_several(text), changes_schema(text)), (several, schema), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_short_name(text in proptest::collection::vec(0_u8.., 0..200)) {
            let mut made = Vec::new();
            name(&text, &mut made);
            proptest::prop_assert!(made.len() <= LONGEST);
        }
    }
}
