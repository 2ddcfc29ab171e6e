//! Days in UTC.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{TimeError, Timestamp};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A day in UTC: so many days since 1970. In JSON it is `2026-11-20`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The first day there is.
    pub const MIN: Self = Self(0);
    /// The last one.
    pub const MAX: Self = Self(u32::MAX);

    /// The day of a moment. Moments before 1970 count to its first day.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.millis().div_euclid(MILLIS_PER_DAY).max(0)).unwrap_or(u32::MAX))
    }

    /// The day's first moment.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0).saturating_mul(MILLIS_PER_DAY))
    }

    /// How many days it is since 1970.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start().day())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Day({self})")
    }
}

impl FromStr for Day {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let day = format!("{text}T00:00:00Z").parse().map(Self::of).ok();
        // Years before 1970, and other ways to write a date, do not come back as they were written.
        day.filter(|day| day.to_string() == text).ok_or_else(|| TimeError::Day(text.chars().take(64).collect()))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u32(self.0) }
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u32::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::Day;
    use crate::time::Timestamp;

    #[test]
    fn a_day_is_written_as_people_write_it_and_read_back_in_no_other_form() {
        let day = Day::of(Timestamp::from_millis(1_795_169_730_123));
        assert_eq!(serde_json::to_string(&day).unwrap(), "\"2026-11-20\"");
        assert_eq!(serde_json::from_str::<Day>("\"2026-11-20\"").unwrap(), day);
        for text in
            ["", "20261120", "2026-11-31", "2026-11-20T10:00", "1969-12-31", "2026-1-2", "today", "-000001-01-01"]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert_eq!("1970-01-01".parse(), Ok(Day::MIN));
    }

    proptest! {
        #[test]
        fn any_day_of_four_digits_reads_back(number in 0_i64..2_900_000) {
            let day = Day::of(Timestamp::from_millis(number * super::MILLIS_PER_DAY));
            prop_assert_eq!(day.to_string().parse(), Ok(day));
        }
    }
}
