//! Parameters of presets as people write them: numbers, and not thousandths.

use serde::Deserialize;
use serde_json::{Number, Value, json};
use tallygate_core::conversation::Effort;
use tallygate_core::selection::preset::Parameters;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    temperature: Option<Number>,
    top_p: Option<Number>,
    max_tokens: Option<u64>,
    reasoning_effort: Option<Effort>,
}

impl Written {
    /// What it means. Bounds are the command's to check.
    ///
    /// # Errors
    /// 400 for a number with more places than are kept.
    pub(super) fn read(self) -> Result<Parameters, ApiError> {
        Ok(Parameters {
            temperature_thousandths: of("temperature", self.temperature)?,
            top_p_thousandths: of("top_p", self.top_p)?,
            max_tokens: self.max_tokens,
            reasoning_effort: self.reasoning_effort,
        })
    }
}

fn of(param: &str, number: Option<Number>) -> Result<Option<u32>, ApiError> {
    let Some(number) = number else { return Ok(None) };
    let wrong = || {
        let message = format!("`{param}` is a number of at least 0 with at most three decimal places");
        ApiError::new(ErrorCode::ParameterInvalid, message).param(param)
    };
    thousandths(&number.to_string()).map(Some).ok_or_else(wrong)
}

fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() > 3 || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    format!("{whole}{part:0<3}").parse().ok()
}

/// Parameters as they are told.
pub(crate) fn told(parameters: &Parameters) -> Value {
    let number = |thousandths: u32| -> Option<Number> {
        format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000).parse().ok()
    };
    json!({
        "temperature": parameters.temperature_thousandths.and_then(number),
        "top_p": parameters.top_p_thousandths.and_then(number),
        "max_tokens": parameters.max_tokens,
        "reasoning_effort": parameters.reasoning_effort,
    })
}

#[cfg(test)]
mod tests {
    use super::{Parameters, thousandths, told};

    #[test]
    fn a_number_has_three_places_at_most() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("0.7", Some(700)),
            ("1.25", Some(1_250)),
            ("0.125", Some(125)),
            ("0.1234", None),
            ("-1", None),
            ("1e3", None),
            ("", Some(0)),
            ("99999999999", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        let parameters = Parameters { temperature_thousandths: Some(700), ..Parameters::default() };
        assert_eq!(told(&parameters)["temperature"].to_string(), "0.7");
    }
}
