//! What an engine is handed instead of looking for it: the wall clock at the start of the play, and randomness.

use std::time::Duration;

/// Wall clock and randomness of an engine. In tests both are fixed, and every message is the same in every run.
pub struct Surroundings {
    epoch: Duration,
    entropy: Box<dyn FnMut() -> u128 + Send>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// `epoch`: the time since 1970-01-01T00:00:00Z at which the play began. `entropy`: a source of 128 random bits; it has
    /// to be cryptographically secure wherever a stranger could guess (task ids are made from it).
    pub fn new(epoch: Duration, entropy: impl FnMut() -> u128 + Send + 'static) -> Surroundings {
        Surroundings { epoch, entropy: Box::new(entropy) }
    }

    /// Fixed surroundings for a deterministic play: the clock begins at 2025-11-25T10:30:00Z, the randomness follows from
    /// `seed`. Not secure.
    #[must_use]
    pub fn fixed(seed: u64) -> Surroundings {
        let mut state = seed;
        let mut next = move || {
            // SplitMix64: each seed gives another sequence, and no two values of one sequence are equal within 2^64 draws
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Surroundings::new(Duration::from_secs(1_764_066_600), move || (u128::from(next()) << 64) | u128::from(next()))
    }

    /// 128 random bits.
    pub fn bits(&mut self) -> u128 {
        (self.entropy)()
    }

    /// A random UUID (version 4): 122 random bits.
    pub fn uuid(&mut self) -> String {
        let bits = (self.bits() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
        format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }

    /// The wall-clock time at `now` (since the play began), as RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn timestamp(&self, now: Duration) -> String {
        rfc3339(self.epoch.saturating_add(now))
    }
}

/// A time since 1970-01-01T00:00:00Z as RFC 3339 in UTC with milliseconds.
fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // days to a civil date, counting eras of 400 years from 0000-03-01, so that the leap day ends a year
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
        since_1970.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        let at = |s, ms| rfc3339(Duration::from_secs(s) + Duration::from_millis(ms));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(951_868_799, 999), "2000-02-29T23:59:59.999Z");
        assert_eq!(at(951_868_800, 0), "2000-03-01T00:00:00.000Z");
        assert_eq!(at(1_735_689_599, 0), "2024-12-31T23:59:59.000Z");
        assert_eq!(at(1_735_689_600, 0), "2025-01-01T00:00:00.000Z");
        assert_eq!(Surroundings::fixed(1).timestamp(Duration::from_millis(1_500)), "2025-11-25T10:30:01.500Z");
    }

    #[test]
    fn uuids_have_their_version_and_are_unlike() {
        let mut some = Surroundings::fixed(7);
        let (a, b) = (some.uuid(), some.uuid());
        assert_ne!(a, b);
        for id in [a, b] {
            assert_eq!(id.len(), 36);
            assert_eq!(id.chars().nth(14), Some('4'), "{id}");
            assert!(matches!(id.chars().nth(19), Some('8' | '9' | 'a' | 'b')), "{id}");
        }
        assert_eq!(Surroundings::fixed(7).uuid(), Surroundings::fixed(7).uuid());
        assert_ne!(Surroundings::fixed(7).uuid(), Surroundings::fixed(8).uuid());
    }
}
