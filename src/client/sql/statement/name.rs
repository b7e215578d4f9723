//! What a statement is called when nobody says.

use super::tokens::{Token, tokens};
use crate::client::sql::Dialect;

/// Longest name a statement is given, in bytes.
const LONGEST: usize = 72;

/// Appends what a statement is called: its text on one line, without the values in it. Statements
/// that differ in their values alone, or in how many there are in a list, have one name.
pub(in crate::client::sql) fn name(dialect: Dialect, text: &[u8], name: &mut Vec<u8>) {
    let from = name.len();
    let mut spaced = false;
    for token in tokens(dialect, text) {
        if matches!(token, Token::Space | Token::Open) {
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
            Token::Space | Token::Open => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(dialect: Dialect, text: &str) -> String {
        let mut made = b"before:".to_vec();
        name(dialect, text.as_bytes(), &mut made);
        String::from_utf8(made).unwrap().strip_prefix("before:").unwrap().to_owned()
    }

    #[test]
    fn a_name_is_the_statement_without_its_values() {
        for (text, expected) in [
            ("SELECT * FROM t WHERE id = 17", "SELECT * FROM t WHERE id = ?"),
            ("SELECT a,\n   b -- both\nFROM t /* all */ ;", "SELECT a, b FROM t"),
            ("SELECT 'it''s' , \"Name\", 1.5e3", "SELECT ? , \"Name\", ?"),
            ("SELECT * FROM t WHERE id IN ($1, $2,$3)", "SELECT * FROM t WHERE id IN (?)"),
            ("INSERT INTO t VALUES ($1, $2), ($3, $4),($5,$6)", "INSERT INTO t VALUES (?)"),
            ("SELECT $$it's$$, $a$ $$ $a$, x", "SELECT ?, x"),
            ("select v2, t.c3 from \"t 1\"", "select v2, t.c3 from \"t 1\""),
            ("SELECT a -> 'b' FROM t", "SELECT a -> ? FROM t"),
            ("SELECT 'open", "SELECT ?"),
            ("", ""),
            (" ;; ", ""),
        ] {
            assert_eq!(named(Dialect::Postgres, text), expected, "{text}");
        }
        for (dialect, text, expected) in [
            (Dialect::MySql, "SELECT a FROM t WHERE b = \"x\" # y", "SELECT a FROM t WHERE b = ?"),
            (Dialect::MySql, "INSERT INTO t VALUES (?, ?), (?,?)", "INSERT INTO t VALUES (?)"),
            (Dialect::Sqlite, "INSERT INTO t VALUES (?, ?),(?,?)", "INSERT INTO t VALUES (?)"),
            (Dialect::Sqlite, "SELECT [a b], x'00ff' /* open", "SELECT [a b], ?"),
        ] {
            assert_eq!(named(dialect, text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_short_and_cut_between_characters() {
        for text in ["é".repeat(100), "a ".repeat(1_000_000), "(?),".repeat(9) + &"x".repeat(90)] {
            let name = named(Dialect::MySql, &text);
            assert!(name.len() <= LONGEST && name.ends_with("..."), "{name}");
        }
        assert_eq!(named(Dialect::MySql, &"x".repeat(LONGEST)).len(), LONGEST);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_short_name(text in proptest::collection::vec(0_u8.., 0..200)) {
            let mut made = Vec::new();
            name(Dialect::Sqlite, &text, &mut made);
            proptest::prop_assert!(made.len() <= LONGEST);
        }
    }
}
