//! Durations, as people write them.

use std::str::FromStr;

use super::{TimeError, Timestamp, add_months};

/// The longest duration that is accepted, in seconds: 100 years of 365.25 days. Longer ones are mistakes of unit.
pub const DURATION_MAX_SECONDS: u64 = 3_155_760_000;

/// A duration as people write it in LiteLLM's API: `30s`, `5m`, `12h`, `7d`, `2w`, `1mo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// So many seconds.
    Seconds(u64),
    /// So many months of the calendar.
    Months(u32),
}

impl FromStr for Duration {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let shown = || text.chars().take(64).collect::<String>();
        let split =
            text.find(|character: char| !character.is_ascii_digit()).ok_or_else(|| TimeError::Duration(shown()))?;
        let (digits, unit) = text.split_at(split);
        if digits.is_empty() {
            return Err(TimeError::Duration(shown()));
        }
        let unit_seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            "mo" => 2_592_000,
            _ => return Err(TimeError::Duration(shown())),
        };
        let count = digits.parse::<u64>().map_err(|_| TimeError::DurationRange(shown()))?;
        let seconds = count.checked_mul(unit_seconds).ok_or_else(|| TimeError::DurationRange(shown()))?;
        if seconds == 0 || seconds > DURATION_MAX_SECONDS {
            return Err(TimeError::DurationRange(shown()));
        }
        match unit {
            "mo" => u32::try_from(count).map(Self::Months).map_err(|_| TimeError::DurationRange(shown())),
            _ => Ok(Self::Seconds(seconds)),
        }
    }
}

impl Duration {
    /// The moment this long after another.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years that can be computed with.
    pub fn after(self, start: Timestamp) -> Result<Timestamp, TimeError> {
        match self {
            Self::Seconds(seconds) => start.plus_seconds(seconds),
            Self::Months(months) => add_months(start, i64::from(months)),
        }
    }
}
