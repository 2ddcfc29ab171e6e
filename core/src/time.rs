//! Moments, durations and budget windows. Calendar arithmetic only: nothing here knows what time it is now.

mod day;
mod duration;

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use day::Day;
pub use duration::{DURATION_MAX_SECONDS, Duration};

const MILLIS_PER_SECOND: i64 = 1_000;

/// A moment in milliseconds since 1970 UTC. In JSON it is RFC 3339 with three decimals and `Z`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is no moment, duration or window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("`{0}` is not an RFC 3339 moment such as 2026-11-20T10:15:30.123Z")]
    Moment(String),
    /// Not a day since 1970.
    #[error("`{0}` is not a day such as 2026-11-20")]
    Day(String),
    /// Not of the form `<whole number><unit>`.
    #[error("`{0}` is not a duration: write a whole number and one of s, m, h, d, w, mo, such as `30d`")]
    Duration(String),
    /// Zero, or longer than [`DURATION_MAX_SECONDS`].
    #[error("a duration is at least one second and at most a hundred years, not `{0}`")]
    DurationRange(String),
    /// The moment lies outside the years that can be computed with.
    #[error("the moment is out of range")]
    OutOfRange,
}

impl Timestamp {
    /// A moment from milliseconds since 1970 UTC.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The moment so many seconds later.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years -9999 to 9999.
    pub fn plus_seconds(self, seconds: u64) -> Result<Self, TimeError> {
        let seconds = i64::try_from(seconds).map_err(|_| TimeError::OutOfRange)?;
        let millis = seconds.checked_mul(MILLIS_PER_SECOND).ok_or(TimeError::OutOfRange)?;
        let sum = Self(self.0.checked_add(millis).ok_or(TimeError::OutOfRange)?);
        sum.to_jiff()?;
        Ok(sum)
    }

    /// Milliseconds from `earlier` to this moment, zero when it is not later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// The day of the moment in UTC, as `2026-11-20`.
    #[must_use]
    pub fn day(self) -> String {
        self.to_jiff().map_or_else(|_| "out-of-range".to_owned(), |at| at.to_zoned(TimeZone::UTC).date().to_string())
    }

    fn to_jiff(self) -> Result<jiff::Timestamp, TimeError> {
        jiff::Timestamp::from_millisecond(self.0).map_err(|_| TimeError::OutOfRange)
    }

    /// The text of a moment of the years 0 to 9999, made in few steps: every request has several.
    fn text(self) -> Option<[u8; 24]> {
        let at = TimeZone::UTC.to_datetime(self.to_jiff().ok()?);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |place: std::ops::Range<usize>, number: i64| {
            let mut rest = u64::try_from(number).ok()?;
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            Some(())
        };
        put(0..4, at.year().into())?;
        put(5..7, at.month().into())?;
        put(8..10, at.day().into())?;
        put(11..13, at.hour().into())?;
        put(14..16, at.minute().into())?;
        put(17..19, at.second().into())?;
        put(20..23, at.millisecond().into())?;
        Some(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.text() {
            return f.write_str(std::str::from_utf8(&text).unwrap_or_default());
        }
        match self.to_jiff() {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(|at| Self(at.as_millisecond()))
            .map_err(|_| TimeError::Moment(text.chars().take(64).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// How long a window of a budget is. A window opens at a moment that follows from the budget's anchor alone, so every
/// gateway and every replay opens the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One window, from the anchor on, without end.
    Total,
    /// Windows of so many seconds.
    Seconds(u64),
    /// Windows of so many months of the calendar; the day clamps in short months.
    Months(u32),
}

/// One window of a budget: from `start`, inclusive, to `end`, exclusive. No end for [`Period::Total`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Option<Timestamp>,
}

impl Period {
    /// The window that holds a moment. Before the anchor it is the first window.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years that can be computed with.
    pub fn window_at(self, anchor: Timestamp, at: Timestamp) -> Result<Window, TimeError> {
        let at = at.max(anchor);
        match self {
            Self::Total => Ok(Window { start: anchor, end: None }),
            Self::Seconds(seconds) => {
                let length = i64::try_from(seconds.max(1))
                    .ok()
                    .and_then(|seconds| seconds.checked_mul(MILLIS_PER_SECOND))
                    .ok_or(TimeError::OutOfRange)?;
                let passed = at.0.checked_sub(anchor.0).ok_or(TimeError::OutOfRange)? / length;
                let start = Timestamp(anchor.0 + passed * length);
                Ok(Window { start, end: Some(start.plus_seconds(seconds.max(1))?) })
            }
            Self::Months(months) => month_window(anchor, at, i64::from(months.max(1))),
        }
    }

    /// Where windows are counted from of which one ends at a moment; none for one without end.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years that can be computed with.
    pub fn anchor_of_end(self, end: Timestamp) -> Result<Option<Timestamp>, TimeError> {
        match self {
            Self::Total => Ok(None),
            Self::Seconds(seconds) => {
                let seconds = i64::try_from(seconds).map_err(|_| TimeError::OutOfRange)?;
                let millis = seconds.checked_mul(MILLIS_PER_SECOND).ok_or(TimeError::OutOfRange)?;
                let anchor = Timestamp(end.0.checked_sub(millis).ok_or(TimeError::OutOfRange)?);
                anchor.to_jiff()?;
                Ok(Some(anchor))
            }
            Self::Months(months) => add_months(end, -i64::from(months)).map(Some),
        }
    }
}

/// Windows of months are counted from the anchor, not from one another, so that a day clamped in February comes back
/// in March.
fn month_window(anchor: Timestamp, at: Timestamp, months: i64) -> Result<Window, TimeError> {
    let utc = |moment: Timestamp| moment.to_jiff().map(|moment| moment.to_zoned(TimeZone::UTC));
    let (from, to) = (utc(anchor)?, utc(at)?);
    let apart = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
    let mut index = apart.div_euclid(months);
    // The calendar months say at most one window too many: the day or hour of the anchor may not have come yet.
    if add_months(anchor, index * months)? > at {
        index -= 1;
    }
    Ok(Window { start: add_months(anchor, index * months)?, end: Some(add_months(anchor, (index + 1) * months)?) })
}

fn add_months(start: Timestamp, months: i64) -> Result<Timestamp, TimeError> {
    let months = i32::try_from(months).map_err(|_| TimeError::OutOfRange)?;
    let moved = start
        .to_jiff()?
        .to_zoned(TimeZone::UTC)
        .checked_add(Span::new().try_months(months).map_err(|_| TimeError::OutOfRange)?)
        .map_err(|_| TimeError::OutOfRange)?;
    Ok(Timestamp(moved.timestamp().as_millisecond()))
}

/// The latest midnight, Monday or first of the month, in UTC, that is not after a moment: where LiteLLM's aligned
/// budget windows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// 00:00.
    Day,
    /// Monday, 00:00.
    Week,
    /// The first of the month, 00:00.
    Month,
    /// A multiple of so many seconds since 1970.
    Multiple(u64),
}

impl Alignment {
    /// The aligned moment that is not after `at`.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years that can be computed with.
    pub fn floor(self, at: Timestamp) -> Result<Timestamp, TimeError> {
        let back = |date: jiff::civil::Date| {
            date.to_zoned(TimeZone::UTC)
                .map(|at| Timestamp(at.timestamp().as_millisecond()))
                .map_err(|_| TimeError::OutOfRange)
        };
        let date = at.to_jiff()?.to_zoned(TimeZone::UTC).date();
        match self {
            Self::Day => back(date),
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                back(date.checked_sub(SignedDuration::from_hours(24 * days)).map_err(|_| TimeError::OutOfRange)?)
            }
            Self::Month => back(date.first_of_month()),
            Self::Multiple(seconds) => {
                let length =
                    i64::try_from(seconds.max(1)).ok().and_then(|seconds| seconds.checked_mul(MILLIS_PER_SECOND));
                let length = length.ok_or(TimeError::OutOfRange)?;
                Ok(Timestamp(at.0.div_euclid(length) * length))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alignment, Duration, Period, TimeError, Timestamp, Window};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        assert_eq!(at("2026-11-20T10:15:30.123Z").to_string(), "2026-11-20T10:15:30.123Z");
        assert_eq!(at("2026-11-20T11:15:30+01:00").to_string(), "2026-11-20T10:15:30.000Z");
        assert_eq!(serde_json::to_string(&at("2026-11-20T10:15:30Z")).unwrap(), "\"2026-11-20T10:15:30.000Z\"");
        assert_eq!(at("2026-11-20T23:59:59.999Z").day(), "2026-11-20");
    }

    #[test]
    fn windows_can_be_counted_so_that_one_ends_at_a_moment() {
        let end = at("2026-12-17T10:15:30Z");
        for (period, anchor) in [
            (Period::Seconds(86_400), Some("2026-12-16T10:15:30Z")),
            (Period::Months(2), Some("2026-10-17T10:15:30Z")),
            (Period::Total, None),
        ] {
            let found = period.anchor_of_end(end).unwrap();
            assert_eq!(found, anchor.map(at), "{period:?}");
            let before = Timestamp::from_millis(end.millis() - 1);
            let window = found.map(|anchor| period.window_at(anchor, before).unwrap());
            assert!(window.is_none_or(|window| window.end == Some(end)), "{period:?}");
        }
        assert_eq!(Period::Seconds(u64::MAX).anchor_of_end(end), Err(TimeError::OutOfRange));
    }

    #[test]
    fn a_duration_has_a_unit_and_a_limit() {
        assert_eq!("30d".parse(), Ok(Duration::Seconds(2_592_000)));
        assert_eq!("2w".parse(), Ok(Duration::Seconds(1_209_600)));
        assert_eq!("1mo".parse(), Ok(Duration::Months(1)));
        for text in ["", "d", "30", "1.5h", "-1d", "1 d", "24hr", "1M", "１d"] {
            assert!(matches!(text.parse::<Duration>(), Err(TimeError::Duration(_))), "{text:?}");
        }
        for text in ["0s", "0mo", "1000000000000d", "999999999999999999999999d", "40000d"] {
            assert!(matches!(text.parse::<Duration>(), Err(TimeError::DurationRange(_))), "{text:?}");
        }
    }

    #[test]
    fn a_month_window_clamps_and_comes_back() {
        let anchor = at("2026-01-31T00:00:00Z");
        let window = |moment: &str| Period::Months(1).window_at(anchor, at(moment)).unwrap();
        assert_eq!(window("2026-02-27T23:59:59Z"), Window { start: anchor, end: Some(at("2026-02-28T00:00:00Z")) });
        assert_eq!(window("2026-03-01T00:00:00Z").start, at("2026-02-28T00:00:00Z"));
        assert_eq!(window("2026-03-31T00:00:00Z").start, at("2026-03-31T00:00:00Z"));
    }

    #[test]
    fn windows_align_as_litellm_does() {
        let moment = at("2026-11-20T10:15:30Z"); // a Friday
        assert_eq!(Alignment::Day.floor(moment), Ok(at("2026-11-20T00:00:00Z")));
        assert_eq!(Alignment::Week.floor(moment), Ok(at("2026-11-16T00:00:00Z")));
        assert_eq!(Alignment::Month.floor(moment), Ok(at("2026-11-01T00:00:00Z")));
        assert_eq!(Alignment::Multiple(7_200).floor(moment), Ok(at("2026-11-20T10:00:00Z")));
    }

    proptest! {
        #[test]
        fn every_moment_is_written_as_the_library_writes_it(millis in -400_000_000_000_000_i64..400_000_000_000_000) {
            let (moment, library) = (Timestamp::from_millis(millis), jiff::Timestamp::from_millisecond(millis));
            let expected = library.map_or_else(|_| format!("{millis} ms"), |at| format!("{at:.3}"));
            prop_assert_eq!(moment.to_string(), expected);
        }

        #[test]
        fn every_moment_lies_in_exactly_one_window(
            anchor in 0_i64..4_000_000_000_000, later in 0_i64..400_000_000_000, seconds in 1_u64..10_000_000, months in 1_u32..30, monthly: bool,
        ) {
            let period = if monthly { Period::Months(months) } else { Period::Seconds(seconds) };
            let (anchor, moment) = (Timestamp::from_millis(anchor), Timestamp::from_millis(anchor + later));
            let window = period.window_at(anchor, moment).unwrap();
            let end = window.end.unwrap();
            prop_assert!(window.start <= moment && moment < end);
            prop_assert_eq!(period.window_at(anchor, window.start).unwrap(), window);
            prop_assert_eq!(period.window_at(anchor, end).unwrap().start, end);
        }
    }
}
