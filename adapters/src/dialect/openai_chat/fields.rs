//! What becomes of each field of a request: forwarded, kept back, or refused.
//!
//! Whatever is not named here is forwarded: vendors have parameters of their own, and new ones appear every month.

use std::borrow::Cow;

/// Fields that the gateway reads, and forwards.
const READ: [&str; 16] = [
    "model",
    "messages",
    "input",
    "prompt",
    "stream",
    "stream_format",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "user",
    "prediction",
    "service_tier",
    "store",
    "metadata",
    "web_search_options",
];

/// Fields that are meant for a gateway, as LiteLLM's clients send them. They are cut out, since an upstream would refuse
/// them. `metadata` is a case of its own: see [`super::Request`].
const KEPT_BACK: [&str; 22] = [
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "disable_fallbacks",
    "num_retries",
    "max_retries",
    "timeout",
    "stream_timeout",
    "request_timeout",
    "mock_response",
    "mock_testing_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_content_policy_fallbacks",
    "cache",
    "caching",
    "tags",
    "guardrails",
    "router_settings_override",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
    "no-log",
];
/// Fields with this beginning are LiteLLM's own.
const KEPT_BACK_PREFIX: &str = "litellm_";

/// Fields that would choose another upstream, another key, another model or another price than those that were checked.
const REFUSED: [&str; 28] = [
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "api_type",
    "organization",
    "custom_llm_provider",
    "use_litellm_proxy",
    "extra_headers",
    "extra_query",
    "extra_body",
    "headers",
    "default_headers",
    "client",
    "http_client",
    "proxy",
    "ssl_verify",
    "model_list",
    "deployment_id",
    "region_name",
    "configurable_clientside_auth_params",
    "input_cost_per_token",
    "output_cost_per_token",
    "base_model",
    // Routers upstream: other models than the one that was checked, and paid extras that no hold covers.
    "models",
    "route",
    "plugins",
    "best_of",
];
/// Credentials and hosts of clouds.
const REFUSED_PREFIXES: [&str; 5] = ["aws_", "vertex_", "azure_", "watsonx_", "openai_api_"];

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Fate {
    /// It goes to the upstream, and nobody here looks at it.
    Forwarded,
    /// It is read here.
    Read(&'static str),
    /// It is for the gateway alone.
    KeptBack,
    /// It must not be there. Named, unless it is one of a whole family.
    Refused(Option<&'static str>),
}

/// What becomes of a field with this name, in lower case.
pub(in crate::dialect) fn fate(name: &str) -> Fate {
    let among = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
    if let Some(known) = among(&READ) {
        return Fate::Read(known);
    }
    if let Some(known) = among(&REFUSED) {
        return Fate::Refused(Some(known));
    }
    if REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Fate::Refused(None);
    }
    if name.starts_with(KEPT_BACK_PREFIX) || among(&KEPT_BACK).is_some() { Fate::KeptBack } else { Fate::Forwarded }
}

/// The name as a careless reader sees it. Some parsers match names without regard to case, two non-ASCII letters that
/// fold to ASCII ones included; for them `Model` and `ſtream` are `model` and `stream`.
pub(in crate::dialect) fn folded(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let fold = |letter: char| match letter {
        '\u{017F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    Cow::Owned(name.chars().map(fold).collect())
}

#[cfg(test)]
mod tests {
    use super::{Fate, fate, folded};

    #[test]
    fn every_field_has_one_fate() {
        assert_eq!(fate("model"), Fate::Read("model"));
        assert_eq!(fate("temperature"), Fate::Forwarded);
        assert_eq!(fate("litellm_session_id"), Fate::KeptBack);
        assert_eq!(fate("api_base"), Fate::Refused(Some("api_base")));
        assert_eq!(fate("aws_secret_access_key"), Fate::Refused(None));
    }

    #[test]
    fn a_careless_reader_sees_the_same_name() {
        assert_eq!(folded("MODEL"), "model");
        assert_eq!(folded("\u{017F}tream"), "stream");
        assert_eq!(folded("api_\u{212A}ey"), "api_key");
        assert_eq!(folded("größe"), "größe");
    }
}
