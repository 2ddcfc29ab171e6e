//! How LiteLLM writes the length of a budget's windows.

use tallygate_core::time::Period;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// How a period is written: the shortest way that means the same windows. None for one without end.
#[must_use]
pub fn written(period: Period) -> Option<String> {
    match period {
        Period::Total => None,
        Period::Months(1) => Some("30d".to_owned()),
        Period::Months(months) => Some(format!("{months}mo")),
        Period::Seconds(seconds) if seconds % SECONDS_OF_A_DAY == 0 => Some(format!("{}d", seconds / SECONDS_OF_A_DAY)),
        Period::Seconds(seconds) if seconds % 3_600 == 0 => Some(format!("{}h", seconds / 3_600)),
        Period::Seconds(seconds) if seconds % 60 == 0 => Some(format!("{}m", seconds / 60)),
        Period::Seconds(seconds) => Some(format!("{seconds}s")),
    }
}

#[cfg(test)]
mod tests {
    use super::written;
    use tallygate_core::time::Period;

    #[test]
    fn a_period_is_written_the_shortest_way_and_one_without_end_not_at_all() {
        let texts = [86_400, 7 * 86_400, 43_200, 5_400, 45].map(|seconds| written(Period::Seconds(seconds)));
        assert_eq!(texts.map(Option::unwrap), ["1d", "7d", "12h", "90m", "45s"]);
        assert_eq!([1, 3].map(|months| written(Period::Months(months)).unwrap()), ["30d", "3mo"]);
        assert_eq!(written(Period::Total), None);
    }
}
