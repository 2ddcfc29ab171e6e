//! How long an upstream asks to be left alone.

use std::time::Duration;

/// The longest wait that is believed: a day. An upstream that says more is wrong or hostile.
const LIMIT: Duration = Duration::from_secs(86_400);

/// The wait that the headers of an answer ask for: `retry-after-ms`, else `retry-after` in seconds, whole or not, or as
/// an HTTP date. A date is measured against the answer's own `date`, so that no clock is needed and clocks may differ.
#[must_use]
pub fn of(millis: Option<&str>, seconds_or_date: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let precise = millis.and_then(|text| Some(thousands(text)? / 1_000)).map(Duration::from_millis);
    let wait = precise.or_else(|| {
        let text = seconds_or_date?.trim();
        thousands(text).map(Duration::from_millis).or_else(|| between(date?.trim(), text))
    });
    wait.map(|wait| wait.min(LIMIT))
}

/// A decimal number times a thousand, what is beyond it cut off; none for what is no plain decimal number. No float:
/// core has none.
fn thousands(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    Some(whole.saturating_mul(1_000).saturating_add(fraction))
}

fn between(from: &str, to: &str) -> Option<Duration> {
    let moment = |text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let wait = moment(to)?.duration_since(moment(from)?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, of};
    use std::time::Duration;

    #[test]
    fn a_wait_is_read_in_every_form() {
        let date = Some("Fri, 20 Nov 2026 10:00:00 GMT");
        assert_eq!(of(Some("250"), Some("9"), None), Some(Duration::from_millis(250)));
        assert_eq!(of(None, Some("1.5"), None), Some(Duration::from_millis(1_500)));
        assert_eq!(of(Some("12.7"), None, None), Some(Duration::from_millis(12)));
        assert_eq!(of(None, Some("Fri, 20 Nov 2026 10:00:30 GMT"), date), Some(Duration::from_secs(30)));
        assert_eq!(of(None, Some("Fri, 20 Nov 2026 09:00:00 GMT"), date), Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_no_wait_and_a_long_one_is_cut() {
        for text in ["", "-1", "soon", "NaN", "inf", ".5", "5.", "+5", "Fri, 20 Nov 2026 10:00:30 GMT"] {
            assert_eq!(of(None, Some(text), None), None, "{text:?}");
        }
        assert_eq!(of(None, Some("1e300"), None), None);
        for text in ["9999999999", "99999999999999999999999999999"] {
            assert_eq!(of(None, Some(text), None), Some(LIMIT));
        }
    }
}
