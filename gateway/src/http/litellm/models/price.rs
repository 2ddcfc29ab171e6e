//! LiteLLM's prices, in `litellm_params` or in `model_info`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tallygate_adapters::litellm::amount::usd_per_unit;
use tallygate_adapters::litellm::price_name::{Meaning, PriceName, of_price, read, to_price};
use tallygate_core::money::PicoUsd;
use tallygate_core::price::{Class, Price};

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::not_supported;

pub(super) const INPUT: &str = "input_cost_per_token";
pub(super) const OUTPUT: &str = "output_cost_per_token";
/// The classes whose prices are shown as null where there are none.
const ALWAYS_SHOWN: [Class; 4] = [Class::Input, Class::Output, Class::CachedInput, Class::CacheWrite];

/// The prices that a request gives. What it does not give stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PriceRequest(BTreeMap<PriceName, PicoUsd>);

/// Whether a field is a price that is counted.
pub(super) fn is_counted(name: &str) -> bool {
    matches!(read(name), Meaning::Price(_))
}

impl PriceRequest {
    /// Reads prices from `litellm_params`, and what is not there from `model_info`.
    ///
    /// # Errors
    /// 400 for what is no price, and for a price in a unit that is not counted.
    pub(super) fn read(params: Option<&Fields<'_>>, info: Option<&Fields<'_>>) -> Result<Self, ApiError> {
        let sections = || params.into_iter().chain(info);
        for section in sections() {
            refuse_others(section)?;
        }
        let mut prices = BTreeMap::new();
        for section in sections() {
            for name in section.names() {
                if let Meaning::Price(price) = self::read(name)
                    && let Some(rate) = section.usd_per_unit(name)?.into_value()
                {
                    prices.entry(price).or_insert(rate);
                }
            }
        }
        Ok(Self(prices))
    }

    /// The price that is to be in force, when another is now; none where the request gives none. A class of token that
    /// nobody priced costs nothing, as in LiteLLM.
    ///
    /// # Errors
    /// 400 for more variants of a price than there may be.
    pub(super) fn over(&self, current: Option<&Price>) -> Result<Option<Price>, ApiError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let price = to_price(self.0.iter().map(|(name, rate)| (*name, *rate)), current);
        price.map(Some).map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()))
    }
}

/// A price by LiteLLM's names.
pub(super) fn shown(price: Option<&Price>) -> Map<String, Value> {
    let shown = price.into_iter().flat_map(of_price);
    shown.map(|(name, rate)| (name.to_string(), usd_per_unit(rate))).collect()
}

/// The names of prices that are shown as null where there are none.
pub(super) fn unknown() -> impl Iterator<Item = String> {
    ALWAYS_SHOWN.into_iter().map(|class| PriceName::of(class).to_string())
}

/// Refuses a price of something else: it would be promised and not charged.
fn refuse_others(section: &Fields<'_>) -> Result<(), ApiError> {
    let is_free =
        |name: &&str| matches!(section.raw(name).map(RawValue::get), Some("null" | "0" | "0.0" | "\"\"" | "{}"));
    match section.names().find(|name| read(name) == Meaning::OtherUnit && !is_free(name)) {
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
    use tallygate_core::price::{Class, Price, ServiceTier};

    fn read(body: &str) -> Result<PriceRequest, ApiError> {
        let fields = Fields::read(body.as_bytes()).unwrap();
        let (params, info) = (fields.section("litellm_params").unwrap(), fields.section("model_info").unwrap());
        PriceRequest::read(params.as_ref(), info.as_ref())
    }

    #[test]
    fn prices_are_read_exactly_and_parameters_come_first() {
        let body = r#"{"litellm_params":{"input_cost_per_token":1.5e-07},
            "model_info":{"input_cost_per_token":1,"output_cost_per_token":0.0000006,"cache_read_input_token_cost":7.5e-8}}"#;
        let price = read(body).unwrap().over(None).unwrap().unwrap();
        let expected = Price::simple(PicoUsd::new(150_000), PicoUsd::new(600_000));
        let expected = expected.with(Class::CachedInput, PicoUsd::new(75_000));
        assert_eq!(price, expected);
    }

    #[test]
    fn without_prices_the_price_stays_and_a_new_one_changes_its_class_alone() {
        let current = Price::simple(PicoUsd::new(1), PicoUsd::new(2));
        let over = |body: &str, current| read(body).unwrap().over(current).unwrap();
        assert_eq!(over("{}", None), None);
        assert_eq!(over("{}", Some(&current)), None, "nothing is asked for");
        let changed = over(r#"{"litellm_params":{"output_cost_per_token":3e-12}}"#, Some(&current));
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

    #[test]
    fn long_prompts_and_service_tiers_have_prices_of_their_own() {
        let body = r#"{"litellm_params":{"input_cost_per_token":1e-6,"output_cost_per_token":2e-6,
            "input_cost_per_token_above_200k_tokens":4e-6,"input_cost_per_token_priority":3e-6,"output_cost_per_reasoning_token":5e-6}}"#;
        let price = read(body).unwrap().over(None).unwrap().unwrap();
        let micro = |tier, prompt, class| price.rates_for(tier, prompt).of(class).pico() / 1_000_000;
        assert_eq!(micro(ServiceTier::Standard, 200_001, Class::Input), 4);
        assert_eq!(micro(ServiceTier::Priority, 1, Class::Input), 3);
        assert_eq!(micro(ServiceTier::Standard, 1, Class::Reasoning), 5);
        let names: Vec<String> = super::shown(Some(&price)).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"input_cost_per_token_above_200k_tokens".to_owned()), "{names:?}");
        assert!(names.contains(&"input_cost_per_token_priority".to_owned()), "{names:?}");
    }
}
