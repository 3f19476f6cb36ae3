//! Timestamps: RFC 3339 read to the nanosecond, and whether a text is at least some form of ISO 8601.

use regex::Regex;
use std::sync::OnceLock;

/// What a text is, as a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stamp {
    /// RFC 3339: nanoseconds since 1970.
    Exact(i128),
    /// Another form of ISO 8601: a date alone, no offset, the basic form.
    Iso8601,
    /// No timestamp.
    Not,
}

impl Stamp {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &str) -> Stamp {
        if let Some(nanoseconds) = rfc3339(text) {
            return Stamp::Exact(nanoseconds);
        }
        static OTHER: OnceLock<Option<Regex>> = OnceLock::new();
        let other = OTHER.get_or_init(|| {
            Regex::new(
                r"^\d{4}(-?\d{2}-?\d{2}|-\d{2}|-?W\d{2}(-?\d)?|-?\d{3})([Tt ]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?)?$",
            )
            .ok()
        });
        match other {
            Some(form) if form.is_match(text) => Stamp::Iso8601,
            _ => Stamp::Not,
        }
    }

    /// The nanoseconds since 1970, if it is exact.
    #[must_use]
    pub fn exact(self) -> Option<i128> {
        match self {
            Stamp::Exact(nanoseconds) => Some(nanoseconds),
            _ => None,
        }
    }
}

fn number(text: &str, from: usize, digits: usize) -> Option<i64> {
    let part = text.get(from..from + digits)?;
    if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
}

fn rfc3339(text: &str) -> Option<i128> {
    if !text.is_ascii() {
        return None;
    }
    let bytes = text.as_bytes();
    let at = |i: usize, any: &[u8]| bytes.get(i).is_some_and(|b| any.contains(b));
    if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt") && at(13, b":") && at(16, b":")) {
        return None;
    }
    let [year, month, day] = [number(text, 0, 4)?, number(text, 5, 2)?, number(text, 8, 2)?];
    let [hour, minute, second] = [number(text, 11, 2)?, number(text, 14, 2)?, number(text, 17, 2)?];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = 19;
    let mut nanoseconds: i128 = 0;
    if at(rest, b".") {
        let digits = bytes.get(rest + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let mut scale = 100_000_000;
        for b in bytes.get(rest + 1..rest + 1 + digits)?.iter().take(9) {
            nanoseconds += i128::from(b - b'0') * scale;
            scale /= 10;
        }
        rest += 1 + digits;
    }
    let offset = match bytes.get(rest)? {
        b'Z' | b'z' if text.len() == rest + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == rest + 6 && at(rest + 3, b":") => {
            let (hours, minutes) = (number(text, rest + 1, 2)?, number(text, rest + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    // days since 1970, counted in years that begin with March
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let century = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let since = century * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    let seconds = since * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * 1_000_000_000 + nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn rfc_3339_is_read_exactly() {
        let second = 1_000_000_000;
        for (text, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2025-11-25T10:30:00Z", 1_764_066_600 * second),
            ("2025-11-25T10:30:00.5+00:30", (1_764_066_600 - 1800) * second + second / 2),
            ("2024-02-29T23:59:60z", 1_709_251_200 * second),
            ("1969-12-31T23:59:59-00:00", -second),
        ] {
            assert_eq!(Stamp::read(text), Stamp::Exact(nanoseconds), "{text}");
        }
    }

    #[test]
    fn other_forms_are_told_from_no_timestamp() {
        for text in ["2025-11-25", "2025-11-25T10:30:00", "20251125T103000Z", "2025-W48-2", "2025-11-25 10:30:00Z"] {
            assert_eq!(Stamp::read(text), Stamp::Iso8601, "{text}");
        }
        for text in ["", "now", "1764066600", "2025-02-30T10:30:00.Z", "Tue, 25 Nov 2025", "2025-11-25T10:30:00é"] {
            assert_eq!(Stamp::read(text), Stamp::Not, "{text}");
        }
    }
}
