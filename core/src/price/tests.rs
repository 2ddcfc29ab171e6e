use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{CLASSES, Class, InvalidPrice, Price, Rates, ServiceTier, Side, VARIANTS_MAX, Variant};
use crate::money::{MoneyError, NanoUsd, PicoUsd};
use crate::usage::{Quantities, Usage};

fn pico(price: u64) -> PicoUsd {
    PicoUsd::new(price)
}

fn usage(input: u64, cached: u64, write: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        cached_input_tokens: cached,
        cache_write_tokens: write,
        output_tokens: output,
        ..Usage::default()
    }
}

fn variant(service_tier: ServiceTier, above_prompt_tokens: u64, rates: Rates) -> Variant {
    Variant { service_tier, above_prompt_tokens, rates }
}

fn cost(price: &Price, quantities: Quantities) -> NanoUsd {
    price.cost_of(&quantities, ServiceTier::Standard).unwrap()
}

/// 1 $ in, 2 $ out; above 100 tokens 10 $ in; as priority 3 $ in and 5 $ out, and above 100 tokens 30 $ in.
fn tiered() -> Price {
    let million = |dollars: u64| pico(dollars * 1_000_000);
    let simple = Price::simple(million(1), million(2));
    let input = |dollars| Rates::NONE.with(Class::Input, million(dollars));
    let variants = vec![
        variant(ServiceTier::Priority, 100, input(30)),
        variant(ServiceTier::Priority, 0, input(3).with(Class::Output, million(5))),
        variant(ServiceTier::Standard, 100, input(10)),
    ];
    Price::new(*simple.rates(), variants).unwrap()
}

#[test]
fn a_price_list_in_dollars_per_million_is_exact() {
    // gpt-4o-mini: $0.15 in, $0.075 cached, $0.60 out per million tokens.
    let price = Price::simple(pico(150_000), pico(600_000)).with(Class::CachedInput, pico(75_000));
    let cost = |usage: Usage| price.cost(&usage);
    assert_eq!(cost(usage(1_000_000, 0, 0, 0)), Ok(NanoUsd::new(150_000_000)));
    assert_eq!(cost(usage(0, 1_000_000, 0, 0)), Ok(NanoUsd::new(75_000_000)));
    assert_eq!(cost(usage(9, 0, 0, 2)), Ok(NanoUsd::new(2_550)));
}

#[test]
fn rounding_is_up_and_once() {
    let price = Price::simple(pico(1), pico(1));
    assert_eq!(price.cost(&usage(1, 1, 1, 1)), Ok(NanoUsd::new(1)));
    assert_eq!(price.cost(&usage(0, 0, 0, 0)), Ok(NanoUsd::ZERO));
}

#[test]
fn an_absurd_usage_is_an_error_and_not_a_wrapped_number() {
    let price = Price::simple(pico(u64::MAX), pico(u64::MAX));
    let absurd = usage(u64::MAX, u64::MAX, 0, u64::MAX);
    assert_eq!(price.cost(&absurd), Err(MoneyError::OutOfRange));
    assert_eq!(price.bound(u64::MAX, u64::MAX, &ServiceTier::ALL), Err(MoneyError::OutOfRange));
}

#[test]
fn every_class_costs_its_own_rate_or_that_of_the_class_it_falls_back_to() {
    let simple = Price::simple(pico(2_000), pico(3_000));
    for class in Class::ALL {
        let one = Quantities::default().with(class, 1);
        let own = simple.clone().with(class, pico(7_000));
        assert_eq!(cost(&own, one), NanoUsd::new(7), "{class:?}");
        let base = match class.side() {
            Side::Prompt => 2,
            Side::Answer => 3,
            Side::Call => 0,
        };
        assert_eq!(cost(&simple, one), NanoUsd::new(base), "{class:?}");
    }
    // An hour in the cache costs what some minutes do, where nobody says otherwise.
    let hour = Quantities::default().with(Class::CacheWriteHour, 1);
    assert_eq!(cost(&simple.with(Class::CacheWrite, pico(5_000)), hour), NanoUsd::new(5));
}

#[test]
fn the_whole_prompt_decides_on_the_tier_and_the_whole_call_costs_its_rates() {
    let price = tiered();
    let micro = |input, output| {
        let quantities = Quantities::default().with(Class::Input, input).with(Class::Output, output);
        cost(&price, quantities).nano() / 1_000
    };
    assert_eq!([micro(100, 1), micro(101, 1)], [102, 1_012]);
    let cached = Quantities::default().with(Class::Input, 1).with(Class::CachedInput, 100);
    assert_eq!(cost(&price, cached), NanoUsd::new(1_010_000), "cached tokens are prompt too");
}

#[test]
fn a_service_tier_lies_over_the_standard_one_and_its_own_threshold_over_both() {
    let price = tiered();
    let rates = |tier, prompt| {
        let rates = price.rates_for(tier, prompt);
        (rates.of(Class::Input).pico() / 1_000_000, rates.of(Class::Output).pico() / 1_000_000)
    };
    assert_eq!(rates(ServiceTier::Priority, 100), (3, 5));
    assert_eq!(rates(ServiceTier::Priority, 101), (30, 5));
    assert_eq!(rates(ServiceTier::Flex, 101), (10, 2), "without rates of its own it costs what everybody pays");
}

#[test]
fn a_bound_knows_that_the_answer_may_come_in_any_tier_that_was_not_ruled_out() {
    let price = tiered();
    let micro = |tiers| price.bound(101, 1, tiers).unwrap().nano() / 1_000;
    assert_eq!(micro(ServiceTier::reachable(Some("default"))), 1_012);
    assert_eq!(micro(ServiceTier::reachable(Some("flex"))), 1_012);
    assert_eq!(micro(ServiceTier::reachable(None)), 3_035);
    assert_eq!(micro(ServiceTier::reachable(Some("auto"))), 3_035);
}

#[test]
fn what_is_no_price_is_refused() {
    let base = *Price::simple(pico(1), pico(1)).rates();
    let rates = Rates::NONE.with(Class::Input, pico(2));
    let new = |rates: Rates, variants: Vec<Variant>| Price::new(rates, variants).unwrap_err();
    assert_eq!(new(rates, vec![]), InvalidPrice::NoBase);
    assert_eq!(new(base, vec![variant(ServiceTier::Standard, 0, rates)]), InvalidPrice::EmptyVariant);
    assert_eq!(new(base, vec![variant(ServiceTier::Flex, 0, Rates::NONE)]), InvalidPrice::EmptyVariant);
    assert_eq!(new(base, vec![variant(ServiceTier::Flex, 9, rates); 2]), InvalidPrice::VariantTwice);
    let many = |count: usize| (1..=count).map(|above| variant(ServiceTier::Batch, above as u64, rates)).collect();
    assert_eq!(new(base, many(VARIANTS_MAX + 1)), InvalidPrice::TooManyVariants);
    assert!(Price::new(base, many(VARIANTS_MAX)).is_ok());
}

#[test]
fn a_text_that_is_no_price_is_refused_and_says_why() {
    for (text, why) in [
        (r#"{"input_pico_usd":1}"#, "a price has `input_pico_usd` and `output_pico_usd`"),
        (r#"{"input_pico_usd":1,"output_pico_usd":null}"#, "a price has"),
        (r#"{"input_pico_usd":1,"output_pico_usd":1,"input_pico_usd":2}"#, "duplicate field `input_pico_usd`"),
        (r#"{"input_pico_usd":1,"output_pico_usd":1,"second_pico_usd":2}"#, "unknown field `second_pico_usd`"),
        (r#"{"input_pico_usd":-1,"output_pico_usd":1}"#, "invalid value"),
        (r#"{"input_pico_usd":1.5,"output_pico_usd":1}"#, "invalid type"),
        (
            r#"{"input_pico_usd":1,"output_pico_usd":1,"variants":[{"service_tier":"flex","above_prompt_tokens":0,"rates":{"input_pico_usd":1,"input_pico_usd":1}}]}"#,
            "duplicate field",
        ),
        (
            r#"{"input_pico_usd":1,"output_pico_usd":1,"variants":[{"service_tier":"flex","above_prompt_tokens":0,"rates":{}}]}"#,
            "has rates",
        ),
    ] {
        let error = serde_json::from_str::<Price>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

fn rates() -> impl Strategy<Value = Rates> {
    prop::array::uniform(prop::option::of(any::<u32>())).prop_map(|prices: [Option<u32>; CLASSES]| {
        let priced = Class::ALL.into_iter().zip(prices);
        priced.fold(Rates::NONE, |rates, (class, price)| match price {
            Some(price) => rates.with(class, pico(price.into())),
            None => rates,
        })
    })
}

fn prices() -> impl Strategy<Value = Price> {
    let condition = (prop::sample::select(&ServiceTier::ALL[..]), 0_u64..3_000);
    let base = (rates(), any::<u32>(), any::<u32>());
    (base, prop::collection::btree_map(condition, rates(), 0..6)).prop_map(|((rates, input, output), variants)| {
        let rates = rates.with(Class::Input, pico(input.into())).with(Class::Output, pico(output.into()));
        let said = |((tier, above), rates): ((ServiceTier, u64), Rates)| {
            let is_one = (tier, above) != (ServiceTier::Standard, 0) && !rates.is_empty();
            is_one.then(|| variant(tier, above, rates))
        };
        Price::new(rates, variants.into_iter().filter_map(said).collect()).unwrap()
    })
}

fn quantities() -> impl Strategy<Value = Quantities> {
    // Small enough to lie on both sides of the thresholds.
    prop::array::uniform(prop::option::of(0_u64..1_000)).prop_map(|units: [Option<u64>; CLASSES]| {
        let used = Class::ALL.into_iter().zip(units.map(Option::unwrap_or_default));
        used.fold(Quantities::default(), |sum, (class, units)| {
            sum.with(class, if class == Class::Request { units.min(1) } else { units })
        })
    })
}

proptest! {
    #[test]
    fn the_bound_is_never_below_the_cost(
        price in prices(), used in quantities(), tier in prop::sample::select(&ServiceTier::ALL[..]),
        slack in (0_u64..1_000, 0_u64..1_000),
    ) {
        let (prompt, answer) = (used.on(Side::Prompt) + slack.0, used.on(Side::Answer) + slack.1);
        let cost = price.cost_of(&used, tier).unwrap();
        prop_assert!(cost <= price.bound(prompt, answer, &[tier]).unwrap());
        prop_assert!(cost <= price.bound(prompt, answer, &ServiceTier::ALL).unwrap());
    }

    #[test]
    fn a_longer_call_has_no_smaller_bound(
        price in prices(), shorter in (0_u64..4_000, 0_u64..4_000), more in (0_u64..4_000, 0_u64..4_000),
    ) {
        let bound = |prompt, answer| price.bound(prompt, answer, &ServiceTier::ALL).unwrap();
        prop_assert!(bound(shorter.0, shorter.1) <= bound(shorter.0 + more.0, shorter.1 + more.1));
    }

    #[test]
    fn what_is_written_reads_back(price in prices()) {
        let text = serde_json::to_string(&price).unwrap();
        prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
    }
}
