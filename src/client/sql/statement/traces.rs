//! What a text does to its connection that outlives it: whether it begins or ends a transaction, or goes
//! to another database.

use super::super::Dialect;
use super::is;
use super::tokens::{Token, tokens};

/// What a text, of one statement or several, does about transactions, and to which database it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// It begins or ends one.
    pub any: bool,
    /// Outside of one, it begins one that it does not end, or ends one that it has not begun.
    pub unpaired: bool,
    /// What comes after it on its connection is said to another database: MySQL's `USE`.
    pub moves: bool,
}

/// The definitions of these hold statements of their own.
const BODIES: [&str; 5] = ["event", "function", "package", "procedure", "trigger"];

impl Bounds {
    pub(super) fn read(dialect: Dialect, text: &[u8]) -> Self {
        let all = tokens(dialect, text).filter(|it| !matches!(it, Token::Space | Token::Open));
        let all: Vec<Token> = all.collect();
        let mut open = false;
        let mut found = Self::default();
        for statement in all.split(|token| *token == Token::Mark(b';')) {
            if defines_a_body(statement) {
                // Where it ends is not known, nor what comes after it.
                open = false;
                break;
            }
            found.moves |= dialect == Dialect::MySql
                && statement.first().is_some_and(|first| is(*first, "use"));
            match begins(dialect, statement) {
                None => continue,
                Some(true) => open = true,
                Some(false) => {
                    found.unpaired |= !open;
                    open = false;
                }
            }
            found.any = true;
        }
        found.unpaired |= open;
        found
    }
}

fn defines_a_body(statement: &[Token]) -> bool {
    let is_one_of = |token: &Token, words: &[&str]| words.iter().any(|word| is(*token, word));
    statement.first().is_some_and(|first| is_one_of(first, &["alter", "create"]))
        && statement.iter().any(|token| is_one_of(token, &BODIES))
}

/// Whether a statement begins a transaction, or ends one; `None` where it does neither.
fn begins(dialect: Dialect, statement: &[Token]) -> Option<bool> {
    let first = *statement.first()?;
    let has = |word| statement.iter().any(|token| is(*token, word));
    let is_first = |words: &[&str]| words.iter().any(|word| is(first, word));
    if is_first(&["begin"])
        || is_first(&["start"]) && has("transaction")
        || is_first(&["set"]) && has("autocommit") && dialect == Dialect::MySql
    {
        Some(true)
    } else if is_first(&["abort", "commit", "end"]) || is_first(&["rollback"]) && !has("to") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_or_ends_a_transaction_is_found_and_a_body_is_none() {
        let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
        for (dialect, text, any, unpaired) in [
            (pg, "BEGIN", true, true),
            (pg, "  begin isolation level serializable;", true, true),
            (my, "START TRANSACTION READ ONLY", true, true),
            (my, "START REPLICA", false, false),
            (my, "set @@autocommit = 0", true, true),
            (lite, "BEGIN IMMEDIATE", true, true),
            (pg, "COMMIT", true, true),
            (pg, "/* done */ END", true, true),
            (pg, "ROLLBACK", true, true),
            (pg, "ROLLBACK TO SAVEPOINT a", false, false),
            (my, "SAVEPOINT a", false, false),
            (pg, "BEGIN; INSERT INTO t VALUES (';'); COMMIT", true, false),
            (pg, "BEGIN; COMMIT; BEGIN", true, true),
            (pg, "COMMIT; BEGIN", true, true),
            (pg, "SELECT 'BEGIN'", false, false),
            (pg, "DO $$ BEGIN PERFORM 1; END $$", false, false),
            (pg, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", false, false),
            (lite, "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t; END", false, false),
            (
                pg,
                "BEGIN; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT",
                true,
                false,
            ),
            (pg, "INSERT INTO event VALUES (1); COMMIT", true, true),
            (my, "SELECT CASE WHEN 1 THEN 2 END", false, false),
            (pg, "", false, false),
        ] {
            let expected = Bounds { any, unpaired, moves: false };
            assert_eq!(Bounds::read(dialect, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn to_use_another_database_is_told_from_a_name_and_from_an_index() {
        for (dialect, text, moves) in [
            (Dialect::MySql, "USE shop", true),
            (Dialect::MySql, "SELECT 1; use `shop`", true),
            (Dialect::MySql, "SELECT a FROM t USE INDEX (b)", false),
            (Dialect::Sqlite, "USE shop", false),
        ] {
            assert_eq!(Bounds::read(dialect, text.as_bytes()).moves, moves, "{text}");
        }
    }
}
