//! Headers: what may be sent to an upstream, and what is taken from its answer.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{AnswerHead, Auth, Credential, Failure, Header, retry_after};

/// Names under which vendors send their id of a request.
const REQUEST_IDS: [&str; 4] = ["x-request-id", "request-id", "x-generation-id", "cf-ray"];
const RATE_LIMIT_PREFIX: &str = "x-ratelimit-";
/// The most rate limit headers that are kept; vendors send about eight.
const RATE_LIMITS_MAX: usize = 24;
/// The longest header value that is kept, in bytes.
const VALUE_MAX_BYTES: usize = 256;

/// Headers that no caller may set: identity, the connection, and what the client itself sets.
const NOT_SETTABLE: [HeaderName; 18] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::FORWARDED,
    header::ORIGIN,
    header::REFERER,
    header::VIA,
];
const NOT_SETTABLE_PREFIXES: [&str; 4] = ["x-forwarded-", "proxy-", "x-api-key", "api-key"];

/// Client headers that mean something to upstreams and nothing to us: betas of vendors, tracing.
const FORWARDABLE: [&str; 4] = ["traceparent", "tracestate", "x-client-request-id", "idempotency-key"];
const FORWARDABLE_SUFFIX: &str = "-beta";

/// Whether a client's header may go on to an upstream: the caller forwards no other.
#[must_use]
pub fn is_forwardable(name: &str) -> bool {
    FORWARDABLE.contains(&name) || name.ends_with(FORWARDABLE_SUFFIX)
}

/// The headers of a request.
pub(super) fn of_request(
    has_body: bool,
    streams: bool,
    credential: Option<&Credential>,
    extra: &[Header],
) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(8);
    let accept = if streams { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for Header { name, value } in extra {
        let not_allowed = || Failure::new(Kind::HeaderNotAllowed);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| not_allowed())?;
        let is_settable = !NOT_SETTABLE.contains(&name)
            && !NOT_SETTABLE_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
        let value = HeaderValue::from_str(value).map_err(|_| not_allowed())?;
        if !is_settable {
            return Err(not_allowed());
        }
        headers.append(name, value);
    }
    if let Some(credential) = credential {
        let (name, value) = authorization(credential)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn authorization(credential: &Credential) -> Result<(HeaderName, HeaderValue), Failure> {
    let unusable = || Failure::new(Kind::CredentialUnusable);
    let key = credential.secret.expose();
    if key.is_empty() {
        return Err(unusable());
    }
    let (name, value) = match credential.auth {
        Auth::Bearer => (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
        Auth::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
    };
    let mut value = value.map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// What is taken from the head of an answer.
pub(super) fn of_answer(headers: &HeaderMap) -> AnswerHead {
    let text = |name: &str| headers.get(name).and_then(short_text);
    let rate_limits = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(RATE_LIMIT_PREFIX))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), short_text(value)?)))
        .take(RATE_LIMITS_MAX);
    AnswerHead {
        content_type: text("content-type"),
        request_id: REQUEST_IDS.iter().find_map(|name| text(name)),
        retry_after: retry_after::of(
            text("retry-after-ms").as_deref(),
            text("retry-after").as_deref(),
            text("date").as_deref(),
        ),
        rate_limits: rate_limits.collect(),
    }
}

fn short_text(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    (text.len() <= VALUE_MAX_BYTES).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{is_forwardable, of_request};
    use std::sync::Arc;
    use tallygate_core::port::provider::failure::Kind;
    use tallygate_core::port::provider::{Auth, Credential, Header};
    use tallygate_core::secret::Secret;

    fn credential(key: &str, auth: Auth) -> Credential {
        Credential { secret: Secret::new(key), auth, hosts: Arc::default() }
    }

    #[test]
    fn identity_and_connection_are_not_the_callers_to_set() {
        for name in [
            "host",
            "connection",
            "authorization",
            "cookie",
            "te",
            "transfer-encoding",
            "x-forwarded-for",
            "x-api-key",
            "proxy-x",
            "a b",
            "accept-encoding",
        ] {
            let extra = [Header { name, value: "x".to_owned() }];
            assert_eq!(of_request(true, true, None, &extra).unwrap_err().kind, Kind::HeaderNotAllowed, "{name}");
        }
        let split = [Header { name: "traceparent", value: "x\r\nhost: y".to_owned() }];
        assert_eq!(of_request(true, true, None, &split).unwrap_err().kind, Kind::HeaderNotAllowed);
        assert!(is_forwardable("openai-beta") && !is_forwardable("x-api-key") && !is_forwardable("user-agent"));
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_not_sent() {
        for key in ["", "sk\n", "sk\0", "a\r\nhost: b"] {
            let error = of_request(true, true, Some(&credential(key, Auth::Bearer)), &[]).unwrap_err();
            assert_eq!(error.kind, Kind::CredentialUnusable);
        }
        let headers = of_request(true, false, Some(&credential("sk-canary", Auth::Header("api-key"))), &[]).unwrap();
        assert_eq!(headers["api-key"], "sk-canary");
        assert!(!format!("{headers:?}").contains("canary"));
    }
}
