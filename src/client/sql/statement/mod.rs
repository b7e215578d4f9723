//! The text of a statement, read as far as it must be: what it is called, whether it changes rows,
//! and for SQLite, which asks for more than its driver knows, how many parameters it has, whether
//! it changes the schema, and whether it reaches files. What was read once is kept with it.
//!
//! This is no parser: it knows where literals, comments, quoted names and parameters begin and end
//! in the three dialects (`tokens`), and nothing of grammar.

mod name;
mod tokens;

use std::sync::{Arc, OnceLock};

use super::Dialect;
use tokens::{Parameter, Token, tokens};

pub(super) use name::name;

/// What follows each text of SQLite.
pub(super) const QUESTION: &str = ";PRAGMA schema_version";

/// The highest number a parameter of SQLite can have.
const HIGHEST: usize = 32_766;

/// The text of a statement, or of several, and what was found in it.
#[derive(Clone, Debug)]
pub struct Statement(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Arc<str>,
    lite: OnceLock<Lite>,
}

/// What SQLite must be told of a text, or kept from.
#[derive(Debug)]
pub(super) struct Lite {
    /// The text, and after it a question for the version of the schema: its answer shows whether
    /// the schema is still the one the text was prepared for.
    pub(super) watched: Arc<str>,
    /// How many parameters it has, or why it cannot be given any.
    pub(super) parameters: Result<usize, String>,
    /// The word by which it would reach a file of its own choice.
    pub(super) reaches: Option<&'static str>,
    /// Of each statement whether it changes rows, where they can be told apart: not with a trigger,
    /// which has statements of its own.
    pub(super) changes_rows: Option<Vec<bool>>,
    /// How many statements there are in it. A trigger has statements of its own.
    pub(super) count: Count,
    /// Whether it changes the schema, after which statements must be prepared anew.
    pub(super) changes_schema: bool,
    /// Whether a transaction ends in it, and with it what it did to the schema is seen by others.
    pub(super) ends_transaction: bool,
}

/// How many statements there are in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    None,
    One,
    Several,
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

impl Lite {
    fn read(text: &str) -> Self {
        let pieces: Vec<Token> = tokens(Dialect::Sqlite, text.as_bytes()).collect();
        let any = |words: &[&str]| pieces.iter().any(|it| words.iter().any(|word| is(*it, word)));
        Self {
            watched: watched(text, pieces.last() == Some(&Token::Open)),
            parameters: parameters(&pieces),
            reaches: reaches(&pieces),
            changes_rows: (!any(&["trigger"])).then(|| changing(&pieces)),
            count: match pieces.iter().all(is_blank) {
                true => Count::None,
                false if is_several(&pieces) => Count::Several,
                false => Count::One,
            },
            changes_schema: any(&["create", "alter", "drop"]),
            ends_transaction: any(&["commit", "end", "rollback"]),
        }
    }
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

fn watched(text: &str, open: bool) -> Arc<str> {
    let end = if open { "*/" } else { "\n" };
    format!("{text}{end}{QUESTION}").into()
}

/// How many parameters a statement of SQLite has; the driver gives them their values by number.
fn parameters(pieces: &[Token]) -> Result<usize, String> {
    let (mut next, mut most) = (0, 0);
    for token in pieces {
        let Token::Parameter(parameter) = *token else { continue };
        match parameter {
            Parameter::Next => next += 1,
            Parameter::Number(number) if (1..=HIGHEST).contains(&number) => {
                most = most.max(number);
            }
            Parameter::Number(_) => {
                return Err(format!("parameters have numbers from 1 to {HIGHEST}"));
            }
            Parameter::Named(name) => {
                return Err(format!(
                    "`{}` is a parameter with a name; write `?` for each value, or `?1` and `?2` \
                     where one is used more than once",
                    String::from_utf8_lossy(name)
                ));
            }
        }
    }
    match (next, most) {
        (0, most) => Ok(most),
        (next, 0) => Ok(next),
        _ => Err("the statement has both `?` and `?1`; write all of them in one way".to_owned()),
    }
}

/// The word by which a statement of SQLite would reach a file of its own choice.
fn reaches(pieces: &[Token]) -> Option<&'static str> {
    let mut vacuum = false;
    for &token in pieces {
        match token {
            token if is(token, "attach") => return Some("ATTACH"),
            token if vacuum && is(token, "into") => return Some("VACUUM INTO"),
            token if is(token, "temp_store_directory") => {
                return Some("PRAGMA temp_store_directory");
            }
            token if is(token, "vacuum") => vacuum = true,
            Token::Mark(b';') => vacuum = false,
            _ => {}
        }
    }
    None
}

fn is_several(pieces: &[Token]) -> bool {
    let (mut made, mut trigger, mut ended) = (None, false, false);
    for &token in pieces {
        match token {
            Token::Space | Token::Open => continue,
            Token::Mark(b';') => ended = made.is_some(),
            _ if ended => return !(trigger && made == Some(true)),
            _ => {}
        }
        trigger |= is(token, "trigger");
        if token != Token::Mark(b';') {
            made.get_or_insert(is(token, "create") || is(token, "explain"));
        }
    }
    false
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
    fn parameters_are_counted_as_sqlite_counts_them_or_refused() {
        for (text, count) in [
            ("SELECT ?, ?", 2),
            ("SELECT ?2, ?1", 2),
            ("SELECT $1, $3", 3),
            ("SELECT ?1, $2, ?1", 2),
            ("SELECT '?', \"?\", [a?b], `?` -- ?\n, ?5", 5),
            ("SELECT json('{}') ->> '$.a'", 0),
            ("SELECT 1", 0),
        ] {
            assert_eq!(Lite::read(text).parameters, Ok(count), "{text}");
        }
        for (text, why) in [
            ("SELECT :a", "`:a` is a parameter with a name"),
            ("SELECT @b + @b", "`@b` is a parameter with a name"),
            ("SELECT $c, ?", "`$c` is a parameter with a name"),
            ("SELECT ?, ?1", "both `?` and `?1`"),
            ("SELECT $0", "from 1 to 32766"),
            ("SELECT ?99999999999999999999", "from 1 to 32766"),
        ] {
            let found = Lite::read(text).parameters.unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
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

    #[test]
    fn statements_that_choose_a_file_are_found_and_no_others() {
        for (text, word) in [
            ("ATTACH 'x' AS y", Some("ATTACH")),
            ("\u{feff}ATTACH 'x' AS y", Some("ATTACH")),
            ("VACUUM \u{feff}INTO 'x'", Some("VACUUM INTO")),
            ("select 1; /* */ aTTach database 'x' as y", Some("ATTACH")),
            ("VACUUM main INTO 'x'", Some("VACUUM INTO")),
            ("PRAGMA temp_store_directory = '/'", Some("PRAGMA temp_store_directory")),
            ("VACUUM; INSERT INTO t VALUES ('attach')", None),
            ("SELECT \"attach\", [attach], attachment FROM t -- attach", None),
        ] {
            assert_eq!(Lite::read(text).reaches, word, "{text}");
        }
    }

    #[test]
    fn one_statement_is_told_from_several_and_a_change_of_the_schema_from_others() {
        for (text, count, schema) in [
            ("SELECT ';' ; -- ; more", Count::One, false),
            ("SELECT 1; SELECT 2", Count::Several, false),
            ("INSERT INTO t VALUES ('create');;", Count::One, false),
            ("create TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END", Count::One, true),
            ("DROP TRIGGER x; SELECT 1", Count::Several, true),
            ("; ALTER TABLE t ADD c", Count::One, true),
            (" ; -- nothing", Count::None, false),
        ] {
            let lite = Lite::read(text);
            assert_eq!((lite.count, lite.changes_schema), (count, schema), "{text}");
        }
    }

    #[test]
    fn the_question_for_the_schema_is_not_part_of_a_comment() {
        assert_eq!(&*Lite::read("SELECT 1 -- x").watched, "SELECT 1 -- x\n;PRAGMA schema_version");
        assert_eq!(&*Lite::read("SELECT 1 /* x").watched, "SELECT 1 /* x*/;PRAGMA schema_version");
    }
}
