//! Where literals, comments, quoted names and parameters begin and end, in each of the dialects.
//!
//! The three agree on little: a backslash escapes in a string of MySQL, and of PostgreSQL after an
//! `E`; `"a"` is a string in MySQL and a name elsewhere; comments nest in PostgreSQL alone; `?` is
//! an operator there, and `$1` a name in MySQL.

use crate::client::sql::Dialect;

/// A piece of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Spaces and comments.
    Space,
    /// The rest of the text, which is a comment without an end.
    Open,
    /// A name or a word of the language.
    Word(&'a [u8]),
    /// A name in quotes.
    Quoted(&'a [u8]),
    /// A string or a number.
    Literal,
    /// What a value is given for.
    Parameter(Parameter<'a>),
    /// Anything else.
    Mark(u8),
}

/// How a statement says which value stands where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter<'a> {
    /// `?`: the next one.
    Next,
    /// `$2` or `?2`: the one of that number.
    Number(usize),
    /// `:a`, `@a` or `$a`, as SQLite has them.
    Named(&'a [u8]),
}

/// The pieces of a text, of which none is left out.
pub(super) fn tokens(dialect: Dialect, text: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let (token, length) = token(dialect, first, rest);
        rest = &rest[length.clamp(1, rest.len())..];
        Some(token)
    })
}

fn token(dialect: Dialect, first: u8, text: &[u8]) -> (Token<'_>, usize) {
    use Dialect::{MySql, Postgres, Sqlite};
    let second = text.get(1).copied().unwrap_or_default();
    match (first, dialect) {
        _ if is_space(first) => (Token::Space, run(text, is_space)),
        // SQLite skips a byte order mark wherever it stands between two words.
        (0xef, Sqlite) if text.starts_with(b"\xef\xbb\xbf") => (Token::Space, 3),
        (b'-', _) if second == b'-' && is_comment(dialect, text) => line(text),
        (b'#', MySql) => line(text),
        (b'/', _) if second == b'*' => comment(dialect, text),
        // The end of what only MySQL or MariaDB is to read.
        (b'*', MySql) if second == b'/' => (Token::Space, 2),
        (b'\'', _) => (Token::Literal, quoted(text, b'\'', dialect == MySql)),
        (b'"', MySql) => (Token::Literal, quoted(text, b'"', true)),
        (b'"', _) | (b'`', MySql | Sqlite) => name(text, quoted(text, first, false)),
        (b'[', Sqlite) => name(text, bracketed(text)),
        (b'?', MySql) => (Token::Parameter(Parameter::Next), 1),
        (b'?', Sqlite) if !second.is_ascii_digit() => (Token::Parameter(Parameter::Next), 1),
        (b'?', Sqlite) | (b'$', Postgres) if second.is_ascii_digit() => numbered(text, 1),
        (b'$', Postgres) => dollars(text),
        (b'$' | b':' | b'@', Sqlite) if is_word(second) => variable(text),
        (b'0'..=b'9', _) => (Token::Literal, decimal(text)),
        _ if is_word(first) || first == b'$' && dialect == MySql => word(dialect, text),
        (mark, _) => (Token::Mark(mark), 1),
    }
}

fn run(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| belongs(**byte)).count()
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Whether two dashes begin a comment: in MySQL `1--1` is a sum.
fn is_comment(dialect: Dialect, text: &[u8]) -> bool {
    dialect != Dialect::MySql || text.get(2).is_none_or(|byte| is_space(*byte))
}

fn line(text: &[u8]) -> (Token<'_>, usize) {
    (Token::Space, run(text, |byte| byte != b'\n'))
}

/// `/* ... */`; what is in `/*! ... */` MySQL and MariaDB read as if it stood there alone.
fn comment(dialect: Dialect, text: &[u8]) -> (Token<'_>, usize) {
    if dialect == Dialect::MySql
        && let Some(rest) = [&b"/*!"[..], b"/*M!"].iter().find_map(|open| text.strip_prefix(*open))
    {
        return (Token::Space, text.len() - rest.len() + run(rest, is_digit));
    }
    let (mut at, mut depth) = (2, 1);
    while at < text.len() {
        match &text[at..] {
            [b'*', b'/', ..] => {
                (at, depth) = (at + 2, depth - 1);
                if depth == 0 {
                    return (Token::Space, at);
                }
            }
            [b'/', b'*', ..] if dialect == Dialect::Postgres => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    (Token::Open, text.len())
}

/// How long what begins with a quote is; a doubled one is part of it.
fn quoted(text: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        if text[at] == b'\\' && escapes {
            at += 2;
        } else if text[at] != quote {
            at += 1;
        } else if text.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    text.len()
}

fn bracketed(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| *byte == b']');
    end.map_or(text.len(), |end| end + 1)
}

fn name(text: &[u8], length: usize) -> (Token<'_>, usize) {
    (Token::Quoted(&text[..length]), length)
}

/// A parameter with a number after its first byte. One that is too large is none of ours.
fn numbered(text: &[u8], from: usize) -> (Token<'_>, usize) {
    let end = from + run(&text[from..], is_digit);
    let digits = std::str::from_utf8(&text[from..end]).ok();
    let number = digits.and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX);
    (Token::Parameter(Parameter::Number(number)), end)
}

/// A variable of SQLite: `:a`, `@a`, or `$a`, which is a number to the driver where it is one.
fn variable(text: &[u8]) -> (Token<'_>, usize) {
    let end = 1 + run(&text[1..], |byte| is_word(byte) || byte == b'$');
    if text[0] == b'$' && text[1..end].iter().all(u8::is_ascii_digit) {
        return numbered(text, 1);
    }
    (Token::Parameter(Parameter::Named(&text[..end])), end)
}

/// A number, with its exponent and its sign.
fn decimal(text: &[u8]) -> usize {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    let end = run(text, part);
    let hex = text.len() > 1 && text[1].eq_ignore_ascii_case(&b'x');
    match &text[end..] {
        [b'+' | b'-', b'0'..=b'9', ..] if text[end - 1].eq_ignore_ascii_case(&b'e') && !hex => {
            end + 1 + run(&text[end + 1..], is_digit)
        }
        _ => end,
    }
}

/// A word, or a string with a letter before it that says how to read it.
fn word(dialect: Dialect, text: &[u8]) -> (Token<'_>, usize) {
    let length = run(text, |byte| is_word(byte) || byte == b'$');
    let prefixes = match dialect {
        Dialect::Postgres => &b"BENX"[..],
        Dialect::MySql => b"BNX",
        Dialect::Sqlite => b"X",
    };
    let prefix = text[0].to_ascii_uppercase();
    match text.get(length) {
        Some(b'\'') if length == 1 && prefixes.contains(&prefix) => {
            let escapes = match dialect {
                Dialect::Postgres => prefix == b'E',
                Dialect::MySql => prefix == b'N',
                Dialect::Sqlite => false,
            };
            (Token::Literal, 1 + quoted(&text[1..], b'\'', escapes))
        }
        _ => (Token::Word(&text[..length]), length),
    }
}

/// `$tag$ ... $tag$`, or a lone dollar sign.
fn dollars(text: &[u8]) -> (Token<'_>, usize) {
    let tag = 1 + run(&text[1..], is_word);
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
    use Dialect::{MySql, Postgres, Sqlite};

    /// What is no space, written short: `w` a word, `q` a quoted name, `v` a value, `?`, `$n` or
    /// `:` a parameter, else the mark itself; `~` a comment without an end.
    fn read(dialect: Dialect, text: &str) -> String {
        let written = tokens(dialect, text.as_bytes()).filter_map(|token| {
            Some(match token {
                Token::Space => return None,
                Token::Open => "~".to_owned(),
                Token::Word(_) => "w".to_owned(),
                Token::Quoted(_) => "q".to_owned(),
                Token::Literal => "v".to_owned(),
                Token::Parameter(Parameter::Next) => "?".to_owned(),
                Token::Parameter(Parameter::Number(number)) => format!("${number}"),
                Token::Parameter(Parameter::Named(_)) => ":".to_owned(),
                Token::Mark(mark) => char::from(mark).to_string(),
            })
        });
        written.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_dialect_is_read_as_its_database_reads_it() {
        for (text, postgres, mysql, sqlite) in [
            ("a = 'it''s ?'", "w = v", "w = v", "w = v"),
            // A backslash: an escape here, a character there.
            (r"'\', ?, '?'", "v , ? , v", "v ? v", "v , ? , v"),
            (r"E'\'?', $1", "v , $1", "w v , w", "w v ? v"),
            (r"e'\\' ?", "v ?", "w v ?", "w v ?"),
            // Another kind of string, and of name.
            ("\"a?b\" ?", "q ?", "v ?", "q ?"),
            ("`a?b` ?", "` w ? w ` ?", "q ?", "q ?"),
            ("[a?b], a[1]", "[ w ? w ] , w [ v ]", "[ w ? w ] , w [ v ]", "q , w q"),
            ("x'00' n'?' b'1'", "v v v", "v v v", "v w v w v"),
            // Comments.
            ("1 -- ? '\n?", "v ?", "v ?", "v ?"),
            ("1--1", "v", "v - - v", "v"),
            ("1 # ?\n+ 2", "v # ? + v", "v + v", "v # ? + v"),
            ("/* ? /* ? */ ? */ ?", "?", "? ?", "? * / ?"),
            ("1 /*! + ? */ /*M!100100 + ? */", "v", "v + ? + ?", "v"),
            ("1 /* ? ' ", "v ~", "v ~", "v ~"),
            // Dollars.
            ("$1, $2, $1", "$1 , $2 , $1", "w , w , w", "$1 , $2 , $1"),
            ("$$ ? ' $$ ?", "v ?", "w ? v", "$ $ ? v"),
            ("$a$ $$ ? $a$ ?", "v ?", "w w ? w ?", ": $ $ ? : ?"),
            ("a$1 ?", "w ?", "w ?", "w ?"),
            // What looks like a parameter.
            ("a::int4, b := 1", "w : : w , w : = v", "w : : w , w : = v", "w : : , w : = v"),
            (":a, @b, @@c", ": w , @ w , @ @ w", ": w , @ w , @ @ w", ": , : , @ :"),
            ("?2, ?1", "? v , ? v", "? v , ? v", "$2 , $1"),
            (
                "a ? 'b', a ?| b, a @? c",
                "w ? v , w ? | w , w @ ? w",
                "w ? v , w ? | w , w @ ? w",
                "w ? v , w ? | w , w @ ? w",
            ),
            // Numbers.
            ("1.5e-3, 0x1e-2, 1e5", "v , v - v , v", "v , v - v , v", "v , v - v , v"),
            ("'open", "v", "v", "v"),
        ] {
            for (dialect, expected) in [(Postgres, postgres), (MySql, mysql), (Sqlite, sqlite)] {
                assert_eq!(read(dialect, text), expected, "{text} in {dialect:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(
            text in proptest::collection::vec(0_u8.., 0..200),
            marks in r#"[a-eE'"`\[\]$?:@#/*!\\ \n0-9-]{0,60}"#,
        ) {
            for dialect in [Postgres, MySql, Sqlite] {
                for text in [&text[..], marks.as_bytes()] {
                    proptest::prop_assert!(tokens(dialect, text).count() <= text.len());
                }
            }
        }
    }
}
