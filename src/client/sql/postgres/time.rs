//! PostgreSQL's dates and times between their binary form and ISO 8601 as the server writes it.
//!
//! Dates are days, times microseconds, both since the year 2000; times with a zone are in UTC. The
//! proleptic Gregorian calendar, years before Christ with ` BC`, `infinity` as the server has it.

/// Days from 1970 to 2000.
const EPOCH: i64 = 10_957;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `2026-11-25`, from days since 2000.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => {
            let (year, month, day) = civil(i64::from(days));
            dated(year, &format!("{month:02}-{day:02}"))
        }
    }
}

/// `18:30:00.25`, from microseconds since midnight.
pub(super) fn time(micros: i64) -> String {
    let (hours, rest) = (micros / HOUR, micros % HOUR);
    let (minutes, rest) = (rest / MINUTE, rest % MINUTE);
    let mut text = format!("{hours:02}:{minutes:02}:{:02}", rest / SECOND);
    let fraction = rest % SECOND;
    if fraction != 0 {
        text += format!(".{fraction:06}").trim_end_matches('0');
    }
    text
}

/// `2026-11-25 18:30:00`, and behind it the zone, from microseconds since 2000.
pub(super) fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let (year, month, day) = civil(micros.div_euclid(DAY));
            let time = time(micros.rem_euclid(DAY));
            dated(year, &format!("{month:02}-{day:02} {time}{zone}"))
        }
    }
}

/// `+01` or `-03:30`, from seconds west of Greenwich.
pub(super) fn zone(west: i32) -> String {
    let (sign, seconds) = if west > 0 { ('-', west) } else { ('+', -west) };
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (minutes, rest) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// `1 year 2 mons 3 days 04:05:06`, from the three parts of an interval.
pub(super) fn interval(months: i32, days: i32, micros: i64) -> String {
    let mut parts = Vec::new();
    // As the server writes it: what is above zero after what is below it says so.
    let mut plus = "";
    for (count, one, many) in
        [(months / 12, "year", "years"), (months % 12, "mon", "mons"), (days, "day", "days")]
    {
        if count != 0 {
            let sign = if count > 0 { plus } else { "" };
            parts.push(format!("{sign}{count} {}", if count == 1 { one } else { many }));
            plus = if count < 0 { "+" } else { "" };
        }
    }
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { plus };
        let micros = i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX);
        parts.push(format!("{sign}{}", time(micros)));
    }
    parts.join(" ")
}

/// Days since 2000 of a date.
pub(super) fn read_date(text: &str) -> Option<i32> {
    match text.trim() {
        "infinity" => Some(i32::MAX),
        "-infinity" => Some(i32::MIN),
        text => {
            let (text, before) = era(text);
            // The numbers at both ends mean infinity.
            let days = days(text, before)?.try_into().ok();
            days.filter(|days| ![i32::MIN, i32::MAX].contains(days))
        }
    }
}

/// Microseconds since midnight of a time without a zone.
pub(super) fn read_time(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, ':');
    let mut two = || -> Option<i64> {
        let part = parts.next()?;
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
        part.parse().ok()
    };
    let (hours, minutes) = (two()?, two()?);
    let rest = parts.next().unwrap_or("00");
    let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    if seconds.len() != 2 || fraction.len() > 6 {
        return None;
    }
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(seconds) || !all_digits(fraction) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let micros = hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction;
    (minutes < 60 && seconds < 60 && micros <= DAY).then_some(micros)
}

/// Microseconds since 2000; a zone is taken off where there may be one, and is UTC where there is
/// none.
pub(super) fn read_timestamp(text: &str, zoned: bool) -> Option<i64> {
    match text.trim() {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, before) = era(text.trim());
    let (day, time) = match text.split_once([' ', 'T', 't']) {
        Some((day, time)) => (day, time),
        None => (text, "00:00:00"),
    };
    let (time, west) = match split_zone(time) {
        Some((time, west)) if zoned => (time, west),
        Some(_) => return None,
        None => (time, 0),
    };
    let micros = days(day, before)?.checked_mul(DAY)?.checked_add(read_time(time)?)?;
    // The numbers at both ends mean infinity.
    let micros = micros.checked_add(i64::from(west) * SECOND)?;
    (![i64::MIN, i64::MAX].contains(&micros)).then_some(micros)
}

/// Microseconds since midnight and seconds west of Greenwich.
pub(super) fn read_zoned_time(text: &str) -> Option<(i64, i32)> {
    let (time, west) = split_zone(text.trim()).unwrap_or((text, 0));
    Some((read_time(time)?, west))
}

/// A time and what its zone is west of Greenwich, in seconds.
fn split_zone(text: &str) -> Option<(&str, i32)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let mut parts = text[at + 1..].split(':').map(|part| part.parse::<u16>().ok());
    let hours = i32::from(parts.next()??);
    let minutes = i32::from(parts.next().unwrap_or(Some(0))?);
    let seconds = i32::from(parts.next().unwrap_or(Some(0))?);
    if hours > 15 || minutes > 59 || seconds > 59 || parts.next().is_some() {
        return None;
    }
    let offset = hours * 3600 + minutes * 60 + seconds;
    Some((text[..at].trim_end(), if text[at..].starts_with('+') { -offset } else { offset }))
}

fn era(text: &str) -> (&str, bool) {
    match text.strip_suffix("BC") {
        Some(text) => (text.trim_end(), true),
        None => (text, false),
    }
}

/// Days since 2000 of `2026-11-25`.
fn days(text: &str, before_christ: bool) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = |least: usize| -> Option<i64> {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (least..=7).contains(&part.len())).then_some(())?;
        part.parse().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year == 0 {
        return None;
    }
    let year = if before_christ { 1 - year } else { year };
    let since = since_2000(year, month, day);
    // A day that the month does not have would come out as one of the next.
    (civil(since) == (year, month, day)).then_some(since)
}

/// Year and the rest of a date; years before Christ are marked.
fn dated(year: i64, rest: &str) -> String {
    if year > 0 { format!("{year:04}-{rest}") } else { format!("{:04}-{rest} BC", 1 - year) }
}

/// Year, month and day of a day counted from 2000, by eras of 400 years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, day)
}

/// The inverse of [`civil`].
fn since_2000(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 - EPOCH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_as_the_server_writes_them() {
        assert_eq!(date(0), "2000-01-01");
        assert_eq!(date(-730_485), "0001-01-01 BC");
        assert_eq!(timestamp(0, ""), "2000-01-01 00:00:00");
        assert_eq!(timestamp(-1, "+00"), "1999-12-31 23:59:59.999999+00");
        assert_eq!(time(DAY), "24:00:00");
        assert_eq!(interval(14, -3, -14_706_500_000), "1 year 2 mons -3 days -04:05:06.5");
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(-1, 1, 0), "-1 mons +1 day");
        assert_eq!(interval(-14, -3, MINUTE), "-1 years -2 mons -3 days +00:01:00");
        assert_eq!(interval(0, -1, 0), "-1 days");
        assert_eq!([zone(0), zone(-3600), zone(12_600)], ["+00", "+01", "-03:30"]);
    }

    #[test]
    fn what_people_write_is_read() {
        let expected = read_timestamp("2026-11-25 17:30:00.5+00", true);
        for text in
            ["2026-11-25T17:30:00.5Z", "2026-11-25 18:30:00.500+01", "2026-11-25 14:00:00.5-03:30"]
        {
            assert_eq!(read_timestamp(text, true), expected, "{text}");
        }
        assert_eq!(read_timestamp("2026-11-25 17:30:00.5", false), expected);
        assert_eq!(read_timestamp("2000-01-02", false), Some(DAY));
        assert_eq!(read_zoned_time("10:00+02"), Some((10 * HOUR, -7200)));
        for text in ["2026-13-01", "2026-02-30", "yesterday", "26-1-1", "", "0000-01-01"] {
            assert_eq!(read_date(text), None, "{text}");
        }
        for text in ["1:00", "25:00:00", "10:60:00", "10:00:61", "10:00:00.1234567", ""] {
            assert_eq!(read_time(text), None, "{text}");
        }
        assert_eq!(read_timestamp("2026-11-25 17:30:00Z", false), None);
        // One further than the last there is would be infinity.
        assert_eq!(read_date("5881610-07-11"), None);
        assert_eq!(read_timestamp("294277-01-09 04:00:54.775807", false), None);
    }

    proptest! {
        #[test]
        fn any_day_comes_back(days in -2_451_545_i32..2_145_031_949) {
            prop_assert_eq!(read_date(&date(days)), Some(days));
        }

        #[test]
        fn any_instant_comes_back(micros in -211_813_488_000_000_000_i64..9_223_371_331_200_000_000) {
            prop_assert_eq!(read_timestamp(&timestamp(micros, ""), false), Some(micros));
            prop_assert_eq!(read_timestamp(&timestamp(micros, "+00"), true), Some(micros));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
            let _ = (read_date(&text), read_timestamp(&text, true), read_zoned_time(&text));
        }
    }
}
