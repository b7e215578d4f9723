//! Text from elsewhere, such as a target's reply in a log, on a terminal: a character that would
//! steer it is shown as its escape instead, `\u{1b}`. Files for machines keep what was there.

use std::borrow::Cow;

use super::text::Ink;

/// The text with every character visible that is not; lines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    without(text, |c| steers(c) && c != '\n' && c != '\t')
}

/// The same on one line, for a cell of a table; our own colours stay.
pub(super) fn cell(ink: Ink, text: &str) -> String {
    between_colours(ink, text, |part| without(part, steers))
}

/// The same of a whole report; our own colours stay.
pub(super) fn whole(ink: Ink, text: &str) -> String {
    between_colours(ink, text, visible)
}

fn without(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if !hidden(c) {
            shown.push(c);
        } else if c.is_ascii() {
            shown.extend(c.escape_default());
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal does something with a character other than to show it: the control
/// characters, and those that turn the direction of the text.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What `shown` makes of each part of a text between our own colours, which nothing but colour can
/// come of, whoever wrote them.
fn between_colours(ink: Ink, text: &str, shown: impl Fn(&str) -> Cow<'_, str>) -> String {
    let marks = ink.marks();
    let first = |text: &str| {
        let found = marks.iter().filter_map(|mark| Some((text.find(mark.as_str())?, mark.len())));
        found.min()
    };
    let (mut told, mut rest) = (String::new(), text);
    while let Some((at, length)) = first(rest) {
        told.push_str(&shown(&rest[..at]));
        told.push_str(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    told.push_str(&shown(rest));
    told
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    const COLOURED: Ink = Ink { colour: true, ..Ink::PLAIN };

    #[test]
    fn what_would_steer_a_terminal_is_shown_and_the_rest_is_as_it_was() {
        for (text, shown) in [
            ("a line\n\tand another, é ✓", "a line\n\tand another, é ✓"),
            ("\u{1b}[31mRED\u{1b}]0;pwn\u{7}", r"\u{1b}[31mRED\u{1b}]0;pwn\u{7}"),
            ("back\rto\u{8} \u{9b}2J \u{202e}txt", r"back\rto\u{8} \u{9b}2J \u{202e}txt"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(whole(Ink::PLAIN, text), shown);
            assert_eq!(whole(COLOURED, text), shown);
        }
        assert_eq!(cell(COLOURED, "a\nb\tc\u{1b}"), r"a\nb\tc\u{1b}");
    }

    #[test]
    fn our_own_colours_stay() {
        for colour in [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Red] {
            let painted = COLOURED.paint(colour, "held");
            assert!(painted.contains('\u{1b}'));
            assert_eq!(cell(COLOURED, &painted), painted);
            assert_eq!(whole(COLOURED, &format!("{painted}\u{7}")), format!("{painted}\\u{{7}}"));
            assert!(!whole(Ink::PLAIN, &painted).contains('\u{1b}'));
        }
    }
}
