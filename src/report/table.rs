//! Tables of a summary. One that is wider than the place it is read at is folded between two of its
//! columns: a terminal would fold it anywhere.

use std::io::{self, Write};
use std::ops::Range;

use tabled::builder::Builder;
use tabled::grid::util::string::get_text_width;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Modify, Padding, Style as Lines};

use super::text::Ink;
use super::visible::cell;

/// Between two columns, and before the first.
const GAP: usize = 2;

/// A headed table, or nothing when it has no rows; columns from `right` on are right-aligned.
pub fn table(
    ink: Ink,
    out: &mut dyn Write,
    title: &str,
    heads: &[String],
    rows: Vec<Vec<String>>,
    right: usize,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for line in grid(ink, heads, rows, right) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The lines of a table; columns from `right` on are right-aligned.
pub fn grid(ink: Ink, heads: &[String], rows: Vec<Vec<String>>, right: usize) -> Vec<String> {
    let records = [heads.to_vec()].into_iter().chain(rows);
    let records = records.filter(|record| !record.is_empty());
    let records: Vec<Vec<_>> =
        records.map(|record| record.iter().map(|text| cell(ink, text)).collect()).collect();
    let widths = widths(&records);
    let room = ink.width.unwrap_or(usize::MAX);
    if widths.iter().sum::<usize>() <= room {
        return aligned(records, right);
    }
    if heads.is_empty() {
        hanging(&records, &widths, room)
    } else {
        folded(&records, &widths, right, room)
    }
}

/// How wide each column is, with the gap before it.
fn widths(records: &[Vec<String>]) -> Vec<usize> {
    let columns = records.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = records.iter().filter_map(|record| record.get(at));
        cells.map(|cell| get_text_width(cell)).max().unwrap_or(0) + GAP
    };
    (0..columns).map(width).collect()
}

fn aligned(records: Vec<Vec<String>>, right: usize) -> Vec<String> {
    let columns = records.first().map_or(0, Vec::len);
    let mut builder = Builder::default();
    for record in records {
        builder.push_record(record);
    }
    let mut table = builder.build();
    table.with(Lines::empty()).with(Padding::new(GAP, 0, 0, 0));
    if right < columns {
        table.with(Modify::new(Columns::new(right..)).with(Alignment::right()));
    }
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Figures in several tables one below the other, each with the names of the rows.
fn folded(records: &[Vec<String>], widths: &[usize], right: usize, room: usize) -> Vec<String> {
    // Where the names leave no room for a figure, the first of them has to do.
    let figure = widths[right..].iter().min().copied().unwrap_or(usize::MAX);
    let fits = widths[..right].iter().sum::<usize>().saturating_add(figure) <= room;
    let right = if fits { right } else { right.min(1) };
    let names: usize = widths.iter().take(right).sum();
    let parts = parts(&widths[right..], room.saturating_sub(names));
    let part = |columns: Range<usize>| {
        let cells = |record: &Vec<String>| {
            let (names, figures) = record.split_at(right.min(record.len()));
            let own = figures.get(columns.clone()).unwrap_or_default();
            [names, own].concat()
        };
        aligned(records.iter().map(cells).collect(), right)
    };
    parts.into_iter().flat_map(part).collect()
}

/// As many columns in a row as fit, one at least.
fn parts(widths: &[usize], room: usize) -> Vec<Range<usize>> {
    let (mut parts, mut from, mut used) = (Vec::new(), 0, 0);
    for (at, width) in widths.iter().enumerate() {
        if at > from && used + width > room {
            parts.push(from..at);
            (from, used) = (at, 0);
        }
        used += width;
    }
    parts.push(from..widths.len());
    parts
}

/// Words in the columns that fit; what does not goes on below the second column.
fn hanging(records: &[Vec<String>], widths: &[usize], room: usize) -> Vec<String> {
    let indent = widths.first().copied().unwrap_or(0);
    let mut lines = Vec::new();
    for record in records {
        let mut line = String::new();
        let mut used = 0;
        for (at, cell) in record.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let width = get_text_width(cell);
            if at > 1 && used + GAP + width > room {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                used = indent;
            }
            line.push_str(&" ".repeat(GAP));
            line.push_str(cell);
            used += GAP + width;
            if at == 0 {
                line.push_str(&" ".repeat(indent.saturating_sub(used)));
                used = indent;
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize, heads: &[&str], rows: &[&[&str]], right: usize) -> String {
        let ink = Ink { width: Some(width), ..Ink::PLAIN };
        let own = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        grid(ink, &own(heads), rows.iter().map(|row| own(row)).collect(), right).join("\n")
    }

    #[test]
    fn figures_that_do_not_fit_go_below_with_the_names_of_their_rows() {
        let heads = ["", "count", "p50", "p95"];
        let rows: [&[&str]; 2] =
            [&["item", "600", "12 ms", "20 ms"], &["order", "7", "1 s", "2 s"]];
        let whole = "         count    p50    p95\n  item     600  12 ms  20 ms\n  order      7    1 s    2 s";
        assert_eq!(lines(28, &heads, &rows, 1), whole);
        assert_eq!(
            lines(27, &heads, &rows, 1),
            "         count    p50\n  item     600  12 ms\n  order      7    1 s\n           p95\n  item   20 ms\n  order    2 s"
        );
        let narrow = lines(3, &heads, &rows, 1);
        assert_eq!(narrow.lines().count(), 9, "one column each: {narrow}");
    }

    #[test]
    fn where_the_names_leave_no_room_the_first_of_them_stands_for_the_row() {
        let heads = ["started", "", "", "held", "calls"];
        let rows: [&[&str]; 2] = [
            &["26 Nov 11:14", "SCRIPT_LIMITED", "(GOOD)", "2 of 2", "7"],
            &["26 Nov 11:15", "VALID", "GOOD", "2 of 2", "12"],
        ];
        let told = lines(32, &heads, &rows, 3);
        assert!(told.lines().all(|line| line.chars().count() <= 32), "{told}");
        assert!(told.contains("  26 Nov 11:14  SCRIPT_LIMITED\n"), "{told}");
        // All of them are names, as in an overview.
        let told = lines(32, &heads, &rows, 5);
        assert!(told.lines().all(|line| line.chars().count() <= 32), "{told}");
    }

    #[test]
    fn a_cell_stays_on_its_line_whatever_it_holds() {
        let told = lines(80, &["", "count"], &[&["a\nb\u{1b}[31m", "1"], &["c", "22"]], 1);
        assert_eq!(
            told,
            "                  count\n  a\\nb\\u{1b}[31m      1\n  c                  22"
        );
    }

    #[test]
    fn words_that_do_not_fit_go_on_below_the_second_column() {
        let rows: [&[&str]; 2] = [
            &["held", "http.failed rate < 1%", "0 %", "goal held"],
            &["MISSED", "p95 < 1s", "2 s", ""],
        ];
        assert_eq!(
            lines(36, &[], &rows, 4),
            "  held    http.failed rate < 1%  0 %\n          goal held\n  MISSED  p95 < 1s  2 s"
        );
        assert!(
            lines(80, &[], &rows, 4)
                .starts_with("  held    http.failed rate < 1%  0 %  goal held\n")
        );
    }

    #[test]
    fn colours_take_no_room() {
        let red = "\u{1b}[31mMISSED\u{1b}[0m";
        assert_eq!(widths(&[vec![red.to_owned()]]), [8]);
    }
}
