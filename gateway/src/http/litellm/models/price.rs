//! LiteLLM's prices of a token, in `litellm_params` or in `model_info`.

use serde_json::value::RawValue;
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Price;

use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::not_supported;

pub(super) const INPUT: &str = "input_cost_per_token";
pub(super) const OUTPUT: &str = "output_cost_per_token";
pub(super) const CACHE_READ: &str = "cache_read_input_token_cost";
pub(super) const CACHE_WRITE: &str = "cache_creation_input_token_cost";
/// The prices that are counted.
pub(super) const NAMES: [&str; 4] = [INPUT, OUTPUT, CACHE_READ, CACHE_WRITE];

/// The prices that a request gives. What it does not give stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PriceRequest {
    input: Option<PicoUsd>,
    output: Option<PicoUsd>,
    cache_read: Option<PicoUsd>,
    cache_write: Option<PicoUsd>,
}

impl PriceRequest {
    /// Reads prices from `litellm_params`, and what is not there from `model_info`.
    ///
    /// # Errors
    /// 400 for what is no price, and for a price of something that is not counted yet.
    pub(super) fn read(params: Option<&Fields<'_>>, info: Option<&Fields<'_>>) -> Result<Self, ApiError> {
        let sections = || params.into_iter().chain(info);
        for section in sections() {
            refuse_others(section)?;
        }
        let price = |name: &str| {
            for section in sections() {
                if let Some(price) = section.usd_per_unit(name)?.into_value() {
                    return Ok::<_, ApiError>(Some(price));
                }
            }
            Ok(None)
        };
        Ok(Self {
            input: price(INPUT)?,
            output: price(OUTPUT)?,
            cache_read: price(CACHE_READ)?,
            cache_write: price(CACHE_WRITE)?,
        })
    }

    /// The price that is to be in force, when another is now. A class of token that nobody priced costs nothing, as in
    /// LiteLLM; without any price there is none, and calls are unpriced.
    pub(super) fn over(&self, current: Option<&Price>) -> Option<Price> {
        if *self == Self::default() {
            return current.cloned();
        }
        let was = |of: fn(&Price) -> Option<PicoUsd>| current.and_then(of);
        Some(Price {
            input_pico_usd: self.input.or(was(|price| Some(price.input_pico_usd))).unwrap_or_default(),
            output_pico_usd: self.output.or(was(|price| Some(price.output_pico_usd))).unwrap_or_default(),
            cached_input_pico_usd: self.cache_read.or(was(|price| price.cached_input_pico_usd)),
            cache_write_pico_usd: self.cache_write.or(was(|price| price.cache_write_pico_usd)),
        })
    }
}

/// Refuses a price of something else: it would be promised and not charged.
fn refuse_others(section: &Fields<'_>) -> Result<(), ApiError> {
    let is_price = |name: &&str| (name.contains("_cost_per_") || name.ends_with("_cost")) && !NAMES.contains(name);
    let is_free =
        |name: &&str| matches!(section.raw(name).map(RawValue::get), Some("null" | "0" | "0.0" | "\"\"" | "{}"));
    match section.names().find(|name| is_price(name) && !is_free(name)) {
        Some(name) => Err(not_supported(&section.place(name).join("."))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::PriceRequest;
    use crate::http::error::ApiError;
    use crate::http::litellm::fields::Fields;
    use tallygate_core::money::PicoUsd;
    use tallygate_core::price::Price;

    fn read(body: &str) -> Result<PriceRequest, ApiError> {
        let fields = Fields::read(body.as_bytes()).unwrap();
        let (params, info) = (fields.section("litellm_params").unwrap(), fields.section("model_info").unwrap());
        PriceRequest::read(params.as_ref(), info.as_ref())
    }

    #[test]
    fn prices_are_read_exactly_and_parameters_come_first() {
        let body = r#"{"litellm_params":{"input_cost_per_token":1.5e-07},
            "model_info":{"input_cost_per_token":1,"output_cost_per_token":0.0000006,"cache_read_input_token_cost":7.5e-8}}"#;
        let price = read(body).unwrap().over(None).unwrap();
        let expected = Price {
            cached_input_pico_usd: Some(PicoUsd::new(75_000)),
            ..Price::simple(PicoUsd::new(150_000), PicoUsd::new(600_000))
        };
        assert_eq!(price, expected);
    }

    #[test]
    fn without_prices_the_price_stays_and_a_new_one_changes_its_class_alone() {
        let current = Price::simple(PicoUsd::new(1), PicoUsd::new(2));
        assert_eq!(read("{}").unwrap().over(None), None);
        assert_eq!(read("{}").unwrap().over(Some(&current)), Some(current.clone()));
        let changed = read(r#"{"litellm_params":{"output_cost_per_token":3e-12}}"#).unwrap().over(Some(&current));
        assert_eq!(changed, Some(Price::simple(PicoUsd::new(1), PicoUsd::new(3))));
    }

    #[test]
    fn what_is_no_price_or_a_price_of_something_else_is_refused_by_name() {
        for (body, param) in [
            (r#"{"litellm_params":{"input_cost_per_token":-1}}"#, "litellm_params.input_cost_per_token"),
            (r#"{"litellm_params":{"input_cost_per_token":"1"}}"#, "litellm_params.input_cost_per_token"),
            (r#"{"litellm_params":{"input_cost_per_token":1e-13}}"#, "litellm_params.input_cost_per_token"),
            (r#"{"model_info":{"output_cost_per_token":1e309}}"#, "model_info.output_cost_per_token"),
            (r#"{"model_info":{"input_cost_per_second":0.1}}"#, "model_info.input_cost_per_second"),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
        read(r#"{"model_info":{"input_cost_per_second":null}}"#).unwrap();
    }
}
