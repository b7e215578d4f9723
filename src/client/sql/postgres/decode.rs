//! Values of PostgreSQL from their binary form.

use super::super::datum::Datum;
use super::numeric;
use super::shape::Shape;
use super::time;

/// Deepest nesting of an array the server makes.
const DIMENSIONS: i32 = 6;

/// The value; the error is a sentence without its subject, the column.
pub(super) fn decode(shape: &Shape, bytes: &[u8]) -> Result<Datum, String> {
    let malformed = || format!("holds a malformed {}", shape.name());
    let found = match shape {
        Shape::Unknown(name) => {
            return Err(format!(
                "is of type {name}, which cannot be read; select it as text: `column::text`"
            ));
        }
        Shape::Array { of, .. } => return array(of, bytes).ok_or_else(malformed)?,
        Shape::Void => Some(Datum::Null),
        Shape::Bool => bytes.first().map(|byte| Datum::Bool(*byte != 0)),
        Shape::Integer(_) => integer(bytes).map(Datum::Integer),
        Shape::Oid => {
            Some(Datum::Integer(i64::from(u32::from_be_bytes(exact(bytes).ok_or_else(malformed)?))))
        }
        Shape::Float4 => exact(bytes).map(|four| Datum::Float(f64::from(f32::from_be_bytes(four)))),
        Shape::Float8 => exact(bytes).map(|eight| Datum::Float(f64::from_be_bytes(eight))),
        Shape::Bytes => Some(Datum::Bytes(bytes.to_vec())),
        Shape::Json { binary: true } => match bytes.split_first() {
            Some((1, text)) => string(text).map(Datum::Json),
            _ => None,
        },
        Shape::Json { binary: false } => string(bytes).map(Datum::Json),
        other => text(other, bytes).map(Datum::Text),
    };
    found.ok_or_else(malformed)
}

/// Types that are text to a script.
fn text(shape: &Shape, bytes: &[u8]) -> Option<String> {
    let micros = |bytes: &[u8]| exact(bytes).map(i64::from_be_bytes);
    match shape {
        Shape::Numeric => numeric::read(bytes),
        Shape::Uuid => Some(uuid::Uuid::from_bytes(exact(bytes)?).to_string()),
        Shape::Date => Some(time::date(i32::from_be_bytes(exact(bytes)?))),
        Shape::Time => Some(time::time(micros(bytes)?)),
        Shape::Timestamp { zoned } => {
            Some(time::timestamp(micros(bytes)?, if *zoned { "+00" } else { "" }))
        }
        Shape::ZonedTime => {
            let (micros_part, zone) = bytes.split_at_checked(8)?;
            let zone = time::zone(i32::from_be_bytes(exact(zone)?));
            Some(time::time(micros(micros_part)?) + &zone)
        }
        Shape::Interval => {
            let (micros_part, rest) = bytes.split_at_checked(8)?;
            let (days, months) = rest.split_at_checked(4)?;
            let (days, months) = (exact(days)?, exact(months)?);
            let (days, months) = (i32::from_be_bytes(days), i32::from_be_bytes(months));
            Some(time::interval(months, days, micros(micros_part)?))
        }
        // A `"char"` of no character; no other text has a zero byte.
        _ if bytes == [0] => Some(String::new()),
        _ => string(bytes),
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn string(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => exact(bytes).map(|two| i64::from(i16::from_be_bytes(two))),
        4 => exact(bytes).map(|four| i64::from(i32::from_be_bytes(four))),
        8 => exact(bytes).map(i64::from_be_bytes),
        _ => None,
    }
}

/// An array of any number of dimensions: lists of lists.
fn array(item: &Shape, bytes: &[u8]) -> Option<Result<Datum, String>> {
    let mut rest = bytes;
    let dimensions = take(&mut rest)?;
    let (_has_nulls, _type) = (take(&mut rest)?, take(&mut rest)?);
    if dimensions == 0 {
        return Some(Ok(Datum::List(Vec::new())));
    }
    if !(1..=DIMENSIONS).contains(&dimensions) {
        return None;
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(take(&mut rest)?).ok()?);
        let _lower_bound = take(&mut rest)?;
    }
    level(item, &lengths, &mut rest)
}

/// The items of one dimension.
fn level(item: &Shape, lengths: &[usize], rest: &mut &[u8]) -> Option<Result<Datum, String>> {
    let (length, inner) = lengths.split_first()?;
    let mut items = Vec::new();
    for _ in 0..*length {
        let decoded = if inner.is_empty() {
            match usize::try_from(take(rest)?) {
                Err(_) => Ok(Datum::Null),
                Ok(size) => {
                    let (bytes, after) = rest.split_at_checked(size)?;
                    *rest = after;
                    decode(item, bytes)
                }
            }
        } else {
            level(item, inner, rest)?
        };
        match decoded {
            Ok(value) => items.push(value),
            Err(what) => return Some(Err(what)),
        }
    }
    Some(Ok(Datum::List(items)))
}

fn take(rest: &mut &[u8]) -> Option<i32> {
    let (four, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*four))
}
