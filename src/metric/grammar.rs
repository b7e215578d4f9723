//! Reads a threshold; its grammar stands in [`super::threshold`].
//!
//! A cursor walks the text up to the operator; what follows is clauses between commas. Every
//! error says what stands there, what was expected, and the nearest word where there is one.

use std::fmt;
use std::time::Duration;

use super::{Aggregate, Bound, Comparison, Filter, Form, Threshold, ThresholdError};
use crate::units::{self, Bytes, Rate, UnitError};

const AGGREGATES: &str =
    "one of count, rate, value, avg, min, max, med, p95 (any percentile), growth";
const CLAUSES: &str = "\"over 10s\", \"goal < 100ms\", \"critical\" or \"abort after 10s\"";
const FILTERS: &str = "tag=value, tag!=value or tag in (a|b)";
const VALUE: &str = "a number with its unit, such as \"300ms\", \"1%\", \"4MiB\", \"10/s\" or \"12\"; or \
     \"baseline\"";
const BASELINE: &str = "\"baseline\", \"baseline - 85%\" or \"baseline + 14%\"";

/// Words a misspelt aggregate is compared with, and the aggregate each means.
const NEARBY: &[(&str, &str)] = &[
    ("count", "count"),
    ("sum", "count"),
    ("total", "count"),
    ("rate", "rate"),
    ("share", "rate"),
    ("value", "value"),
    ("last", "value"),
    ("avg", "avg"),
    ("mean", "avg"),
    ("average", "avg"),
    ("min", "min"),
    ("minimum", "min"),
    ("max", "max"),
    ("maximum", "max"),
    ("med", "med"),
    ("median", "med"),
    ("growth", "growth"),
    ("grows", "growth"),
];

/// Operators, the longer before those they begin with.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

impl fmt::Display for Comparison {
    /// As a threshold writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = COMPARISONS.iter().find(|(_, comparison)| comparison == self);
        f.write_str(written.map_or("", |(sign, _)| sign))
    }
}

impl Threshold {
    /// Reads a threshold. Whether it suits the metric is [`Self::fits`]'s to say.
    pub fn parse(text: &str) -> Result<Self, ThresholdError> {
        let text = text.trim();
        read(text).map_err(|error| error.within(text))
    }
}

fn read(text: &str) -> Result<Threshold, ThresholdError> {
    let mut cursor = Cursor { rest: text };
    let metric = cursor.word();
    if metric.is_empty() {
        return Err(wrong("no metric at its start", "a name such as http.duration"));
    }
    let filters = if cursor.eat("{") { cursor.filters()? } else { Vec::new() };
    let aggregate = if cursor.at_operator() { None } else { Some(cursor.aggregate()?) };
    let comparison = cursor.comparison()?;
    let mut clauses = cursor.rest.split(',').map(str::trim);
    let first = clauses.next().unwrap_or_default();
    let (value, over) = match first.split_once(" over ") {
        Some((value, length)) => (value, Some(window(length)?)),
        None => (first, None),
    };
    let limit = bound(comparison, value)?;
    let aggregate = match (aggregate, limit.form) {
        (Some(Aggregate::Growth), Form::PerSecond | Form::BytesPerSecond) => Aggregate::Pace,
        (Some(aggregate), _) => aggregate,
        (None, Form::Percent) => Aggregate::Rate,
        (None, _) => return Err(wrong("no aggregate after the metric", AGGREGATES)),
    };
    let mut threshold = Threshold {
        text: text.to_owned(),
        metric: metric.to_owned(),
        filters,
        aggregate,
        limit,
        goal: None,
        over,
        critical: false,
        abort: None,
    };
    clauses.try_for_each(|clause| threshold.add(clause))?;
    Ok(threshold)
}

impl Threshold {
    /// Takes in one clause after the limit.
    fn add(&mut self, clause: &str) -> Result<(), ThresholdError> {
        let mut cursor = Cursor { rest: clause };
        let twice = match cursor.word() {
            "over" => self.over.replace(window(cursor.rest)?).is_some(),
            "goal" => {
                let starts_with_operator =
                    cursor.rest.trim_start().starts_with(['<', '>', '=', '!']);
                let comparison =
                    if starts_with_operator { cursor.comparison()? } else { self.limit.comparison };
                self.goal.replace(bound(comparison, cursor.rest)?).is_some()
            }
            "critical" if cursor.rest.trim().is_empty() => {
                std::mem::replace(&mut self.critical, true)
            }
            "abort" => self.abort.replace(cursor.delay()?).is_some(),
            word => {
                let known = ["over", "goal", "critical", "abort"];
                let expected = nearest(word, known.into_iter().map(|word| (word, word)), CLAUSES);
                return Err(wrong(format!("unknown clause \"{clause}\""), &expected));
            }
        };
        if twice {
            return Err(wrong(format!("\"{clause}\" is said twice"), "each clause once"));
        }
        Ok(())
    }
}

/// What is left to read.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// The letters, digits, dots and underscores next; maybe none.
    fn word(&mut self) -> &'a str {
        self.take_while(|c| c.is_alphanumeric() || c == '.' || c == '_')
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest.trim_start();
        let (taken, rest) = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len()));
        self.rest = rest;
        taken
    }

    /// Steps over `token` if it is next.
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn aggregate(&mut self) -> Result<Aggregate, ThresholdError> {
        let word = self.word();
        let percent = match word.strip_prefix('p') {
            Some("") if self.eat("(") => {
                let percent = self.take_while(|c| c != ')').trim_end();
                if !self.eat(")") {
                    return Err(wrong(format!("\"p({percent}\" is not closed"), "\")\""));
                }
                Some(percent)
            }
            percent => percent.filter(|p| p.starts_with(|c: char| c.is_ascii_digit())),
        };
        match (word, percent) {
            ("count", _) => Ok(Aggregate::Count),
            ("rate", _) => Ok(Aggregate::Rate),
            ("value", _) => Ok(Aggregate::Value),
            ("avg", _) => Ok(Aggregate::Avg),
            ("min", _) => Ok(Aggregate::Min),
            ("max", _) => Ok(Aggregate::Max),
            ("growth", _) => Ok(Aggregate::Growth),
            ("med", _) => Ok(Aggregate::Percentile(50.0)),
            (_, Some(percent)) => match decimal(percent) {
                Some(percent @ 0.0..=100.0) => Ok(Aggregate::Percentile(percent)),
                _ => Err(wrong(format!("no percentile {percent}"), "a number from 0 to 100")),
            },
            ("", None) => Err(wrong("no aggregate after the metric", AGGREGATES)),
            (word, None) => {
                let expected = nearest(word, NEARBY.iter().copied(), AGGREGATES);
                Err(wrong(format!("unknown aggregate \"{word}\""), &expected))
            }
        }
    }

    fn at_operator(&self) -> bool {
        COMPARISONS.iter().any(|(sign, _)| self.rest.trim_start().starts_with(sign))
    }

    fn comparison(&mut self) -> Result<Comparison, ThresholdError> {
        if let Some((_, comparison)) = COMPARISONS.iter().find(|(sign, _)| self.eat(sign)) {
            return Ok(*comparison);
        }
        let found = match self.rest.split_whitespace().next() {
            Some(found) => format!("\"{found}\" is no operator"),
            None => "no operator after the aggregate".to_owned(),
        };
        Err(wrong(found, "one of <, <=, >, >=, ==, !="))
    }

    /// The filters after an opening brace, and the closing one.
    fn filters(&mut self) -> Result<Vec<Filter>, ThresholdError> {
        let mut filters = Vec::new();
        loop {
            filters.push(self.filter()?);
            if self.eat("}") {
                return Ok(filters);
            }
            if !self.eat(",") {
                return Err(wrong("\"{\" is not closed", "\",\" or \"}\" after a filter"));
            }
        }
    }

    fn filter(&mut self) -> Result<Filter, ThresholdError> {
        let key = self.word();
        let (wanted, list) = if self.eat("!=") {
            (false, false)
        } else if self.eat("=") {
            (true, false)
        } else if self.word() == "in" && self.eat("(") {
            (true, true)
        } else {
            return Err(wrong(format!("malformed filter \"{key}{}\"", self.rest), FILTERS));
        };
        let mut values = vec![self.text(if list { &['|', ')'] } else { &[',', '}'] })?];
        while list && !self.eat(")") {
            if !self.eat("|") {
                return Err(wrong(format!("the list of \"{key}\" is not closed"), "\")\""));
            }
            values.push(self.text(&['|', ')'])?);
        }
        if key.is_empty() || values.iter().any(String::is_empty) {
            return Err(wrong("a filter without a tag or a value", FILTERS));
        }
        Ok(Filter { key: key.to_owned(), values, wanted })
    }

    /// A quoted text, or all up to one of `ends` that is not inside braces of the text's own.
    fn text(&mut self, ends: &[char]) -> Result<String, ThresholdError> {
        if self.eat("\"") {
            return self.quoted();
        }
        let rest = self.rest.trim_start();
        let mut depth = 0_u32;
        let end = rest.find(|c| {
            let ends_here = depth == 0 && ends.contains(&c);
            depth = match c {
                '{' => depth + 1,
                '}' => depth.saturating_sub(1),
                _ => depth,
            };
            ends_here
        });
        let (text, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.rest = rest;
        Ok(text.trim_end().to_owned())
    }

    fn quoted(&mut self) -> Result<String, ThresholdError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                plain => text.push(plain),
            }
        }
        Err(wrong("a quoted text does not end", "a closing \""))
    }

    /// `after` and a duration, or nothing.
    fn delay(&mut self) -> Result<Duration, ThresholdError> {
        match self.word() {
            "" if self.rest.trim().is_empty() => Ok(Duration::ZERO),
            "after" => Ok(units::parse_duration(self.rest)?),
            _ => Err(wrong("malformed abort", "\"abort\" or \"abort after 10s\"")),
        }
    }
}

/// The length of a sliding window, in whole seconds: a summary knows no smaller parts.
fn window(text: &str) -> Result<Duration, ThresholdError> {
    let length = units::parse_duration(text)?;
    if length < Duration::from_secs(1) {
        let what = format!("a window of {} is too short", units::show_duration(length));
        return Err(wrong(what, "at least 1s"));
    }
    Ok(Duration::from_secs(length.as_secs_f64().ceil() as u64))
}

fn bound(comparison: Comparison, text: &str) -> Result<Bound, ThresholdError> {
    let text = text.trim();
    let (value, form) = if let Some(change) = text.strip_prefix("baseline") {
        (times(change)?, Form::Baseline)
    } else if let Some(percent) = text.strip_suffix('%') {
        (share(percent, text)?, Form::Percent)
    } else if let Some(amount) = decimal(text) {
        (amount, Form::Plain)
    } else if let Some((amount, per)) = text.rsplit_once('/') {
        match Bytes::parse(amount) {
            Ok(size) if decimal(amount.trim()).is_none() => {
                (size.0 as f64 * Rate::parse(&format!("1/{per}"))?.0, Form::BytesPerSecond)
            }
            _ => (Rate::parse(text)?.0, Form::PerSecond),
        }
    } else if let Ok(size) = Bytes::parse(text) {
        (size.0 as f64, Form::Bytes)
    } else if let Ok(time) = units::parse_duration(text) {
        (time.as_nanos() as f64, Form::Time)
    } else {
        return Err(wrong(format!("malformed value \"{text}\""), VALUE));
    };
    Ok(Bound { comparison, value, form })
}

/// A percentage, which may be more than all of something: two processors are 200 %.
fn share(percent: &str, text: &str) -> Result<f64, ThresholdError> {
    match decimal(percent.trim_end()) {
        Some(percent) if percent >= 0.0 => Ok(percent / 100.0),
        _ => Ok(units::parse_share(text)?),
    }
}

/// How many times the baseline: 1 alone, 0.15 for `- 85%`.
fn times(change: &str) -> Result<f64, ThresholdError> {
    let change = change.trim();
    if change.is_empty() {
        return Ok(1.0);
    }
    let sign = if change.starts_with('-') { -1.0 } else { 1.0 };
    let percent = change.strip_prefix(['-', '+']).and_then(|rest| rest.trim().strip_suffix('%'));
    match percent.map(str::trim_end).and_then(decimal) {
        Some(percent) if percent >= 0.0 && sign * percent >= -100.0 => {
            Ok(1.0 + sign * percent / 100.0)
        }
        _ => Err(wrong(format!("malformed value \"baseline {change}\""), BASELINE)),
    }
}

/// A plain decimal number, perhaps negative: no exponent, no `inf`.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| plain)
}

/// What is expected, led by the nearest known word if one is near; each comes with what it means.
fn nearest<'a>(
    word: &str,
    known: impl Iterator<Item = (&'a str, &'a str)>,
    expected: &str,
) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(word, known);
    known
        .min_by_key(|(spelling, _)| distance(spelling))
        .filter(|(spelling, _)| distance(spelling) <= 2)
        .map_or_else(|| expected.to_owned(), |(_, meant)| format!("\"{meant}\", or {expected}"))
}

fn wrong(what: impl Into<String>, expected: &str) -> ThresholdError {
    ThresholdError { what: what.into(), expected: expected.to_owned() }
}

impl From<UnitError> for ThresholdError {
    fn from(error: UnitError) -> Self {
        wrong(error.what, error.expected)
    }
}
