//! Where a request's key is: the header forms that LiteLLM, OpenAI, Azure, Anthropic and Google clients send.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use tallygate_core::secret::Secret;

use super::error::ApiError;
use super::error_code::ErrorCode;

/// LiteLLM's header.
static LITELLM_KEY: HeaderName = HeaderName::from_static("x-litellm-api-key");
/// Headers that hold a bare key, in the order in which they are looked for.
static BARE_KEYS: [HeaderName; 4] = [
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("ocp-apim-subscription-key"),
];
/// The longest key that is looked up. Ours have 25 characters, and imported ones hardly more.
const KEY_MAX_BYTES: usize = 1_024;

/// The key of a request. The first form that is there counts: `x-litellm-api-key`, `Authorization`, `API-Key`,
/// `x-api-key`, `x-goog-api-key`, `Ocp-Apim-Subscription-Key`.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Secret, ApiError> {
    if let Some(value) = single(headers, &LITELLM_KEY)? {
        return checked(value.strip_prefix("Bearer ").unwrap_or(value));
    }
    if let Some(value) = single(headers, &AUTHORIZATION)? {
        return checked(bearer(value)?);
    }
    for name in &BARE_KEYS {
        if let Some(value) = single(headers, name)? {
            return checked(value);
        }
    }
    Err(missing())
}

/// The one value of a header. Two keys in one request are two identities: refused, not chosen from.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed(&format!("the header `{name}` is there twice: send one key")));
    }
    value.to_str().map(Some).map_err(|_| malformed(&format!("the header `{name}` is not printable ASCII")))
}

fn bearer(value: &str) -> Result<&str, ApiError> {
    match value.split_once(' ') {
        Some((scheme, key)) if ["bearer", "basic"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => Ok(key),
        _ => Err(malformed("Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")),
    }
}

pub(super) fn checked(key: &str) -> Result<Secret, ApiError> {
    if key.is_empty() {
        return Err(missing());
    }
    if key.len() > KEY_MAX_BYTES {
        return Err(malformed("the key is longer than any key"));
    }
    Ok(Secret::new(key))
}

pub(super) fn missing() -> ApiError {
    ApiError::new(ErrorCode::KeyMissing, "Authentication Error, No api key passed in.").kind("auth_error")
}

pub(super) fn malformed(why: &str) -> ApiError {
    ApiError::new(ErrorCode::KeyMalformed, format!("Authentication Error, {why}")).kind("auth_error")
}

#[cfg(test)]
mod tests {
    use super::presented;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn every_header_form_is_read() {
        for (name, value) in [
            ("x-litellm-api-key", "sk-1"),
            ("x-litellm-api-key", "Bearer sk-1"),
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer sk-1"),
            ("Authorization", "Basic sk-1"),
            ("API-Key", "sk-1"),
            ("x-api-key", "sk-1"),
            ("x-goog-api-key", "sk-1"),
            ("Ocp-Apim-Subscription-Key", "sk-1"),
        ] {
            assert_eq!(presented(&headers(&[(name, value)])).unwrap().expose(), "sk-1", "{name}: {value}");
        }
    }

    #[test]
    fn the_first_form_counts() {
        let both = headers(&[("x-api-key", "sk-2"), ("authorization", "Bearer sk-1")]);
        assert_eq!(presented(&both).unwrap().expose(), "sk-1");
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_reason() {
        for (pairs, code) in [
            (vec![], "key_missing"),
            (vec![("authorization", "sk-1")], "key_malformed"),
            (vec![("authorization", "Token sk-1")], "key_malformed"),
            (vec![("authorization", "Bearer ")], "key_missing"),
            (vec![("authorization", "Bearer sk-1"), ("authorization", "Bearer sk-2")], "key_malformed"),
        ] {
            assert_eq!(presented(&headers(&pairs)).unwrap_err().code, code, "{pairs:?}");
        }
    }

    #[test]
    fn a_trailing_space_or_another_case_is_another_key() {
        for value in ["Bearer sk-1 ", "Bearer SK-1", "Bearer  sk-1"] {
            let found = presented(&headers(&[("authorization", value)])).unwrap();
            assert_ne!(found.expose(), "sk-1", "{value:?}");
        }
    }
}
