//! The text of a statement, read as far as it must be: what it is called, whether it changes rows,
//! and what SQLite must be told of it (`lite`). What was read once is kept with it.
//!
//! This is no parser: it knows where literals, comments, quoted names and parameters begin and end
//! in the three dialects (`tokens`), and nothing of grammar.

mod lite;
mod name;
mod tokens;
mod traces;

use std::sync::{Arc, OnceLock};

use super::Dialect;
use tokens::{Token, tokens};

pub(super) use lite::{Count, Lite, QUESTION};
pub(super) use name::name;
pub use traces::Traces;

/// The text of a statement, or of several, and what was found in it.
#[derive(Clone, Debug)]
pub struct Statement(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Arc<str>,
    lite: OnceLock<Lite>,
}

impl From<&str> for Statement {
    fn from(text: &str) -> Self {
        Self(Arc::new(Inner { text: text.into(), lite: OnceLock::new() }))
    }
}

impl Statement {
    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// What it is called when nobody says.
    pub fn name(&self, dialect: Dialect) -> Vec<u8> {
        let mut made = Vec::new();
        name(dialect, self.text().as_bytes(), &mut made);
        made
    }

    /// Whether it is one that changes rows. After any other servers count what they read
    /// (PostgreSQL), or still what an earlier one changed (SQLite).
    pub fn changes_rows(&self, dialect: Dialect) -> bool {
        changes_rows(tokens(dialect, self.text().as_bytes()))
    }

    /// What it leaves behind on its connection.
    pub fn traces(&self, dialect: Dialect) -> Traces {
        Traces::read(dialect, self.text().as_bytes())
    }

    /// How to write its parameters, where it has none but such as another database has.
    pub fn foreign(&self, dialect: Dialect) -> Option<&'static str> {
        let (own, other, hint) = match dialect {
            Dialect::Postgres => {
                (Dialect::Postgres, Dialect::MySql, "write `$1`, `$2`, ... in PostgreSQL")
            }
            Dialect::MySql => {
                (Dialect::MySql, Dialect::Postgres, "write `?` for each in MySQL and MariaDB")
            }
            // Its own reading says what is wrong.
            Dialect::Sqlite => return None,
        };
        let has = |dialect| {
            let mut all = tokens(dialect, self.text().as_bytes());
            all.any(|token| matches!(token, Token::Parameter(_)))
        };
        (!has(own) && has(other)).then_some(hint)
    }

    /// Of each statement of a text for PostgreSQL whether it changes rows; the server counts those that
    /// others read as well. `None` where statements cannot be told apart: a body of a function has some
    /// of its own.
    pub(super) fn changing(&self) -> Option<Vec<bool>> {
        let pieces: Vec<Token> = tokens(Dialect::Postgres, self.text().as_bytes()).collect();
        (!pieces.iter().any(|token| is(*token, "atomic"))).then(|| changing(&pieces))
    }

    /// What SQLite must be told of it.
    pub(super) fn lite(&self) -> &Lite {
        self.0.lite.get_or_init(|| Lite::read(self.text()))
    }
}

/// Whether a statement of these pieces changes rows.
fn changes_rows<'a>(mut statement: impl Iterator<Item = Token<'a>>) -> bool {
    let first = statement.find_map(|token| match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        _ => None,
    });
    match first.as_deref() {
        Some(b"with") => {
            // `FOR UPDATE` and `FOR NO KEY UPDATE` lock what is read.
            let mut locks = false;
            statement.any(|token| {
                let changes = is(token, "update") && !locks
                    || ["insert", "delete", "merge"].iter().any(|it| is(token, it));
                if let Token::Word(_) = token {
                    let goes_on = is(token, "no") || is(token, "key");
                    locks = is(token, "for") || locks && goes_on;
                }
                changes
            })
        }
        Some(first) => CHANGING.contains(&first),
        None => false,
    }
}

/// What statements that change rows begin with, or may.
const CHANGING: &[&[u8]] = &[
    b"call", b"copy", b"delete", b"do", b"execute", b"insert", b"load", b"merge", b"replace",
    b"update",
];

/// Whether it is that word.
fn is(token: Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
}

/// Of each statement of a text whether it changes rows.
fn changing(pieces: &[Token]) -> Vec<bool> {
    let statements = pieces.split(|it| *it == Token::Mark(b';'));
    let statements = statements.filter(|it| !it.iter().all(is_blank));
    statements.map(|it| changes_rows(it.iter().copied())).collect()
}

/// Whether it is no part of a statement.
fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Space | Token::Open | Token::Mark(b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_rows_is_known_by_its_first_word() {
        for changing in [
            "INSERT INTO t VALUES (1)",
            "  -- a note\n update t SET a = 1",
            "WITH old AS (SELECT 1) DELETE FROM t",
            "REPLACE INTO t VALUES (1)",
        ] {
            assert!(Statement::from(changing).changes_rows(Dialect::Sqlite), "{changing}");
        }
        for other in [
            "SELECT * FROM t FOR UPDATE",
            "WITH a AS (SELECT 1) SELECT * FROM t FOR NO KEY UPDATE",
            "WITH a AS (SELECT 1) SELECT * FROM t FOR UPDATE",
            "(SELECT 'insert')",
            "WITH a AS (SELECT 'delete') SELECT * FROM a",
            "CREATE TABLE u (a)",
            "",
        ] {
            assert!(!Statement::from(other).changes_rows(Dialect::Postgres), "{other}");
        }
    }

    #[test]
    fn parameters_of_another_database_are_told_apart_from_operators() {
        for (dialect, text, foreign) in [
            (Dialect::Postgres, "SELECT * FROM t WHERE a = ?", true),
            (Dialect::Postgres, "SELECT a ? 'b' FROM t WHERE c = $1", false),
            (Dialect::Postgres, "SELECT 1", false),
            (Dialect::MySql, "SELECT * FROM t WHERE a = $1", true),
            (Dialect::MySql, "SELECT `$1` FROM t WHERE a = ?", false),
            (Dialect::Sqlite, "SELECT $1", false),
        ] {
            let found = Statement::from(text).foreign(dialect);
            assert_eq!(found.is_some(), foreign, "{text}: {found:?}");
        }
    }
}
