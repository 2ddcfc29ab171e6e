//! What a plain scalar means: YAML 1.1's words for nothing, true and false, and numbers that JSON can spell.

use super::Value;

/// A plain scalar's value.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number),
    }
}

/// A decimal number in JSON's spelling: `1_000`, `+5`, `.5` and `1.` are written as JSON does. Other bases are texts.
fn number(text: &str) -> Option<String> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = whole.replace('_', "");
    let fraction = fraction.map(|fraction| fraction.replace('_', ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || fraction.as_deref().is_some_and(|fraction| !fraction.is_empty());
    // A zero in front means another base, or an id that is no number at all.
    let is_decimal = whole.len() < 2 || !whole.starts_with('0');
    if !has_digits || !is_decimal || !are_digits(&whole) || !fraction.as_deref().is_none_or(are_digits) {
        return None;
    }
    let exponent = match exponent {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            (!digits.is_empty() && are_digits(digits)).then(|| format!("e{exponent}"))?
        }
        None => String::new(),
    };
    let whole = if whole.is_empty() { "0" } else { &whole };
    let fraction = fraction.filter(|fraction| !fraction.is_empty()).map(|fraction| format!(".{fraction}"));
    Some(format!("{sign}{whole}{}{exponent}", fraction.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{number, plain};
    use crate::yaml::Value;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, json) in [
            ("0.00000015", "0.00000015"),
            ("1e-6", "1e-6"),
            ("2.5E+3", "2.5e+3"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("-.5", "-0.5"),
            ("1.", "1"),
            ("0", "0"),
            ("10", "10"),
        ] {
            assert_eq!(number(text).as_deref(), Some(json), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_a_text() {
        for text in ["007", "0x1F", "1.2.3", "1e", "e5", ".", "-", "2024-01-01", "1:30", "_", "12a", ".inf", "1 000"] {
            assert_eq!(plain(text), Value::Text(text.to_owned()));
        }
    }

    #[test]
    fn the_words_of_yaml_1_1_are_what_they_were() {
        assert_eq!((plain("yes"), plain("Off"), plain("~")), (Value::Bool(true), Value::Bool(false), Value::Null));
        assert_eq!(plain("y"), Value::Text("y".to_owned()));
    }
}
