use super::{Differences, Family, abilities, together};
use crate::dialect::openai_chat::LimitField;
use crate::dialect::target::{Abilities, CallIds, History, ReasoningForm, SamplingRule, Structure};
use crate::provider::catalog::Catalog;
use crate::provider::vendors::Vendors;
use tallygate_core::conversation::Effort;

/// What a model can, as it is registered.
fn of(vendor: &str, model: &str) -> Abilities {
    let (vendors, catalog) = (Vendors::builtin().unwrap(), Catalog::builtin().unwrap());
    let vendor = vendors.get(vendor).unwrap();
    abilities(vendor, catalog.get(&vendor.id, model), model)
}

fn differences(text: &str) -> Differences {
    toml::from_str(text).unwrap()
}

#[test]
fn what_is_said_of_less_comes_before_what_is_said_of_more() {
    let row = differences("sampling = \"none\"\nprefill = false\nstop = false");
    let family = differences("sampling = \"one_of\"\nprefill = true");
    let entry = differences("sampling = \"all\"");
    let all = together([&row, &family, &entry].into_iter());
    assert_eq!((all.sampling, all.prefill, all.stop), (SamplingRule::All, true, false));
    // What nobody speaks of is what most can.
    assert_eq!(Abilities { stop: true, ..all }, Abilities::default());
    assert_eq!(together(std::iter::empty()), Abilities::default());
}

#[test]
fn of_two_families_the_narrower_one_comes_first_whatever_their_order() {
    let table = |first: &str, second: &str| {
        let row = |start: &str| {
            let budget = start.len();
            format!(
                "[[family]]\nvendors = [\"v\"]\nstarts = [\"zzz\", \"{start}\"]\nabilities = {{ reasoning_budget_min = {budget} }}\n"
            )
        };
        let text = row(first) + &row(second);
        let families: Vec<Family> = text.parse::<toml::Table>().unwrap()["family"].clone().try_into().unwrap();
        families.iter().map(|family| family.likeness("claude-sonnet-4-5")).collect::<Vec<_>>()
    };
    assert_eq!(table("claude-", "claude-sonnet-4-5"), [Some(7), Some(17)]);
    assert_eq!(table("claude-sonnet-4-6", "gpt"), [None, None]);
    let narrow = of("anthropic", "claude-sonnet-4-5-20250929");
    assert_eq!((narrow.sampling, narrow.structure), (SamplingRule::OneOf, Structure::Schema));
    let wide = of("anthropic", "claude-sonnet-4-20250514");
    assert_eq!((wide.sampling, wide.structure), (SamplingRule::All, Structure::None));
}

#[test]
fn a_word_that_is_no_ability_is_refused_where_it_is_read() {
    for text in ["unheard_of = 1", "sampling = \"unheard_of\"", "stop = \"yes\"", "reasoning_budget_min = -1"] {
        assert!(toml::from_str::<Differences>(text).is_err(), "{text}");
    }
}

#[test]
fn families_and_the_catalog_agree_and_name_vendors_that_are_there() {
    let (vendors, catalog) = (Vendors::builtin().unwrap(), Catalog::builtin().unwrap());
    for family in Family::builtin().unwrap() {
        for name in family.vendors() {
            assert_eq!(vendors.get(name).unwrap().id.as_str(), name);
        }
        assert_ne!(family.abilities, Differences::default(), "{family:?}");
    }
    // A catalog's word for reasoning and what is sent to the model do not contradict each other.
    for entry in catalog.iter().filter(|entry| entry.mode == "chat") {
        let abilities = of(entry.vendor.as_str(), &entry.name);
        let reasons = entry.abilities.contains(&crate::provider::catalog::Ability::Reasoning);
        let is_told = abilities.reasoning != ReasoningForm::None;
        assert!(reasons || !is_told, "{} does not reason", entry.name);
        let sees = entry.abilities.contains(&crate::provider::catalog::Ability::Vision);
        assert!(!sees || abilities.images, "{} sees images", entry.name);
    }
}

#[test]
fn models_that_reason_by_themselves_take_no_sampling() {
    for (vendor, model) in
        [("openai", "o3"), ("openai", "gpt-5-mini"), ("azure", "gpt-5"), ("openai", "o4-mini-2025-04-16")]
    {
        let it = of(vendor, model);
        assert_eq!((it.sampling, it.limit_field), (SamplingRule::None, LimitField::MaxCompletionTokens), "{model}");
        assert!(it.developer_role && !it.reasoning_can_be_off && !it.unknown_fields, "{model}");
        assert_eq!((it.reasoning, it.effort_max), (ReasoningForm::Effort, Effort::High), "{model}");
    }
    assert_eq!((of("openai", "o4-mini").stop, of("openai", "o1").stop), (false, true));
    assert_eq!((of("openai", "gpt-5").free_tools, of("openai", "o3").free_tools), (true, false));
    let newer = of("openai", "gpt-5.2");
    assert_eq!((newer.reasoning_can_be_off, newer.effort_max), (true, Effort::ExtraHigh));
    for (vendor, model) in
        [("openai", "gpt-4o"), ("openai", "gpt-4.1-mini"), ("azure", "gpt-4o"), ("openai", "gpt-5-chat-latest")]
    {
        let it = of(vendor, model);
        assert_eq!((it.sampling, it.reasoning), (SamplingRule::All, ReasoningForm::None), "{model}");
    }
    assert_eq!(of("openai", "gpt-4-turbo").structure, Structure::Json);
    assert_eq!(of("azure", "gpt-4o").limit_field, LimitField::MaxTokens);
    // Other servers' models are called by this vendor's name, and may take anything.
    let foreign = of("openai", "qwen3-32b");
    assert_eq!(Abilities { limit_field: LimitField::MaxTokens, ..foreign }, Abilities::default());
}

#[test]
fn a_model_is_told_to_reason_in_the_form_of_its_generation() {
    for (vendor, model, form, sampling, prefill, structure) in [
        ("anthropic", "claude-3-haiku-20240307", ReasoningForm::None, SamplingRule::All, true, Structure::None),
        ("anthropic", "claude-3-7-sonnet-20250219", ReasoningForm::Budget, SamplingRule::All, true, Structure::None),
        ("anthropic", "claude-opus-4-20250514", ReasoningForm::Budget, SamplingRule::All, true, Structure::None),
        ("anthropic", "claude-opus-4-1", ReasoningForm::Budget, SamplingRule::OneOf, true, Structure::Schema),
        ("anthropic", "claude-haiku-4-5", ReasoningForm::Budget, SamplingRule::OneOf, true, Structure::Schema),
        ("anthropic", "claude-sonnet-4-6", ReasoningForm::Effort, SamplingRule::OneOf, false, Structure::Schema),
        ("anthropic", "claude-opus-4-7", ReasoningForm::Effort, SamplingRule::None, false, Structure::Schema),
        ("anthropic", "claude-opus-5", ReasoningForm::Effort, SamplingRule::None, false, Structure::Schema),
        ("anthropic", "claude-unheard-of", ReasoningForm::Effort, SamplingRule::None, false, Structure::Schema),
    ] {
        let it = of(vendor, model);
        assert_eq!(
            (it.reasoning, it.sampling, it.prefill, it.structure),
            (form, sampling, prefill, structure),
            "{model}"
        );
        assert!(!it.usage_on_request, "{model}");
    }
    for (model, form, marks, can_be_off, least, with_tools) in [
        ("gemini-2.0-flash", ReasoningForm::None, false, false, 1_024, false),
        ("gemini-2.5-pro", ReasoningForm::Budget, false, false, 128, false),
        ("gemini-2.5-flash", ReasoningForm::Budget, false, true, 1, false),
        ("gemini-2.5-flash-lite", ReasoningForm::Budget, false, true, 512, false),
        ("gemini-3.1-pro-preview", ReasoningForm::Effort, true, false, 1_024, true),
        ("gemini-4-unheard-of", ReasoningForm::Effort, true, false, 1_024, true),
    ] {
        let it = of("gemini", model);
        assert_eq!((it.reasoning, it.wants_marks, it.reasoning_can_be_off), (form, marks, can_be_off), "{model}");
        assert_eq!((it.reasoning_budget_min, it.structure_with_tools), (least, with_tools), "{model}");
    }
}

#[test]
fn each_generation_gets_the_reasoning_back_that_it_wants() {
    for (model, history, form) in [
        ("deepseek-r1", History::Strip, ReasoningForm::None),
        ("deepseek-chat", History::ToolLoop, ReasoningForm::None),
        ("deepseek-reasoner", History::ToolLoop, ReasoningForm::None),
        ("deepseek-v4-flash", History::Always, ReasoningForm::Effort),
    ] {
        let it = of("deepseek", model);
        assert_eq!((it.reasoning_history, it.reasoning), (history, form), "{model}");
        assert_eq!((it.images, it.structure, it.reasoning_can_be_off), (false, Structure::Json, false), "{model}");
    }
}

#[test]
fn vendors_differ_in_what_the_dialect_leaves_open() {
    let it = of("mistral", "mistral-large-latest");
    assert_eq!((it.call_ids, it.required_word.as_str()), (CallIds::Nine, "any"));
    assert!(!it.usage_on_request && !it.unknown_fields);
    // One source says who is asked for the usage of a stream, and how the limit of output is called.
    let said = |vendor: &str| (of(vendor, "m").usage_on_request, of(vendor, "m").limit_field);
    for vendor in ["openai", "groq", "xai", "hosted_vllm", "azure"] {
        assert_eq!(said(vendor), (true, LimitField::MaxCompletionTokens), "{vendor}");
    }
    for vendor in ["openai-compatible", "deepseek", "together_ai", "fireworks_ai", "openrouter", "llamacpp"] {
        assert_eq!(said(vendor), (true, LimitField::MaxTokens), "{vendor}");
    }
    for vendor in ["anthropic", "gemini", "ollama", "mistral"] {
        assert!(!said(vendor).0, "{vendor}");
    }
    assert_eq!(of("ollama", "llama3.2").reasoning, ReasoningForm::None);
    assert_eq!(of("ollama", "gpt-oss:20b").reasoning, ReasoningForm::Effort);
}
