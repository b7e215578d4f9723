//! The form of every table of a page. On a narrow screen a row becomes a block, in which each figure
//! stands beside the head of its column.

use maud::{Markup, html};

/// A table with its heads, or nothing when it has no rows. The first cell of a row says what the
/// row is about; a head that ends in a colon is of a column of figures.
pub fn table(class: &str, heads: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    let figure = |n: usize| heads.get(n).is_some_and(|head| head.ends_with(':'));
    let head = |n: usize| heads.get(n).map_or("", |head| head.trim_end_matches(':'));
    html! {
        @if !rows.is_empty() {
            table.(class) {
                thead { tr { @for n in 0..heads.len() { th.figure[figure(n)] scope="col" { (head(n)) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (n, cell) in row.into_iter().enumerate() {
                                @if n == 0 { th scope="row" { (cell) } }
                                @else { td.figure[figure(n)] data-head=(head(n)) { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Words of up to so many characters have room on any line.
const SHORT: usize = 16;

/// A text whose long words, such as paths, go on a new line behind a joint, and not in the middle
/// of what a reader takes for a word.
pub fn jointed(text: &str) -> Markup {
    let is_joint = |c: char| "/?&=,.:;_-+|)>".contains(c);
    html! {
        @for word in text.split_inclusive(char::is_whitespace) {
            @if word.chars().count() <= SHORT { (word) } @else {
                @for (n, part) in word.split_inclusive(is_joint).enumerate() {
                    @if n > 0 { wbr; }
                    (part)
                }
            }
        }
    }
}

/// A text as it stands in a script.
pub fn code(text: &str) -> Markup {
    html! { code { (jointed(text)) } }
}

/// A text or a number.
#[expect(clippy::needless_pass_by_value, reason = "a cell is mostly a number")]
pub fn plain(text: impl ToString) -> Markup {
    jointed(&text.to_string())
}

/// A state that is told by a sign and a word, and by colour only besides.
pub fn state(good: bool, word: &str) -> Markup {
    html! {
        @if good { span.good { "✓ " (word) } } @else { span.bad { "✗ " (word) } }
    }
}

/// Names and what they stand for; what there is nothing of is left out.
pub fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
