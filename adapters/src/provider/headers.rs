//! Headers: what may be sent to an upstream, and what is taken from its answer.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tallygate_core::endpoint::Origin;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{AnswerForm, AnswerHead, Auth, Credential, Failure, Header, retry_after};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("tallygate/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Content types that nearly every answer has: they are not copied.
const USUAL_TYPES: [&str; 4] =
    ["application/json", "text/event-stream", "text/event-stream; charset=utf-8", "application/json; charset=utf-8"];
/// Names under which vendors send their id of a request, the most telling first.
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

/// Client headers that mean something to upstreams and nothing to us: betas and versions of vendors, tracing.
const FORWARDABLE: [&str; 5] =
    ["traceparent", "tracestate", "x-client-request-id", "idempotency-key", "anthropic-version"];
const FORWARDABLE_SUFFIX: &str = "-beta";

/// Whether a client's header may go on to an upstream: the caller forwards no other.
#[must_use]
pub fn is_forwardable(name: &str) -> bool {
    FORWARDABLE.contains(&name) || name.ends_with(FORWARDABLE_SUFFIX)
}

/// What a request's body is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    /// Its type; none for JSON.
    pub(super) kind: Option<&'a str>,
    /// How long it is, in bytes.
    pub(super) bytes: usize,
}

/// The headers that are the same in every request to an upstream.
pub(super) struct FixedHeaders {
    /// All that a request of the usual kind has: JSON, answered whole. Requests begin as a copy of it, in which nothing need be
    /// added.
    usual: HeaderMap,
    /// Under which of their names the credential stands.
    authorization: Option<HeaderName>,
}

impl FixedHeaders {
    /// Those of an origin and the credential that opens it.
    ///
    /// # Errors
    /// [`Kind::CredentialUnusable`], and [`Kind::HostNotAllowed`] for a host that no header can carry.
    pub(super) fn new(origin: &Origin, credential: Option<&Credential>) -> Result<Self, Failure> {
        let host = HeaderValue::try_from(origin.authority());
        let host = host.map_err(|error| Failure::new(Kind::HostNotAllowed).caused_by(error))?;
        let authorization = credential.map(authorization).transpose()?;
        let fixed = [
            (header::HOST, host),
            (header::USER_AGENT, USER_AGENT),
            (header::ACCEPT, JSON),
            (header::ACCEPT_ENCODING, IDENTITY),
            (header::CONTENT_TYPE, JSON),
            (header::CONTENT_LENGTH, HeaderValue::from(0_usize)),
        ];
        let name = authorization.as_ref().map(|(name, _)| name.clone());
        Ok(Self { usual: fixed.into_iter().chain(authorization).collect(), authorization: name })
    }

    /// The headers of a request, with this body, if it has one.
    ///
    /// # Errors
    /// [`Kind::HeaderNotAllowed`].
    pub(super) fn of_request(
        &self,
        content: Option<Content<'_>>,
        answer: AnswerForm,
        extra: &[Header],
    ) -> Result<HeaderMap, Failure> {
        let not_allowed = || Failure::new(Kind::HeaderNotAllowed);
        let mut headers = self.usual.clone();
        let accept = match answer {
            AnswerForm::Buffered { .. } => None,
            AnswerForm::Streamed => Some(EVENT_STREAM),
            AnswerForm::StreamedOfAnyType => Some(ANYTHING),
        };
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept);
        }
        if let Some(Content { kind, bytes }) = content {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
            if let Some(told) = kind {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(told).map_err(|_| not_allowed())?);
            }
        } else {
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_LENGTH);
        }
        for header in extra {
            let (name, value) = settable(header).ok_or_else(not_allowed)?;
            // Nobody adds to the credential, whatever its header is called.
            if self.authorization.as_ref() != Some(&name) {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

/// A header that a caller wants to be sent; none if it must not be or cannot be.
fn settable(header: &Header) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
    let is_settable =
        !NOT_SETTABLE.contains(&name) && !NOT_SETTABLE_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    let value = HeaderValue::from_str(&header.value).ok()?;
    is_settable.then_some((name, value))
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

/// Whether the body arrives as the upstream wrote it. A compressed one could neither be metered nor bounded.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the upstream answers with a page for people: a login, a captive portal, an error of some proxy.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    const PAGE: &[u8] = b"text/html";
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().trim_ascii_start());
    kind.and_then(|kind| kind.get(..PAGE.len())).is_some_and(|start| start.eq_ignore_ascii_case(PAGE))
}

/// What is taken from the head of an answer, in one pass: most of its headers mean nothing here.
pub(super) fn of_answer(headers: &HeaderMap) -> AnswerHead {
    let mut head = AnswerHead::default();
    let (mut wait_millis, mut wait, mut date) = (None, None, None);
    let mut request_id: Option<(usize, &str)> = None;
    for (name, value) in headers {
        let name = name.as_str();
        match name {
            "content-type" => head.content_type = head.content_type.or_else(|| short_text(value).map(content_type)),
            "retry-after-ms" => wait_millis = wait_millis.or_else(|| short_text(value)),
            "retry-after" => wait = wait.or_else(|| short_text(value)),
            "date" => date = date.or_else(|| short_text(value)),
            _ if name.starts_with(RATE_LIMIT_PREFIX) => {
                let text = short_text(value).filter(|_| head.rate_limits.len() < RATE_LIMITS_MAX);
                head.rate_limits.extend(text.map(|text| (name.to_owned(), text.to_owned())));
            }
            _ => {
                let rank = REQUEST_IDS.iter().position(|id| *id == name);
                let better = rank.filter(|rank| request_id.is_none_or(|(best, _)| *rank < best));
                request_id = better.zip(short_text(value)).or(request_id);
            }
        }
    }
    head.request_id = request_id.map(|(_, text)| text.to_owned());
    head.retry_after = retry_after::of(wait_millis, wait, date);
    head
}

fn content_type(text: &str) -> Cow<'static, str> {
    match USUAL_TYPES.into_iter().find(|usual| *usual == text) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(text.to_owned()),
    }
}

fn short_text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| text.len() <= VALUE_MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Content, FixedHeaders, is_forwardable, is_page, of_answer};
    use http::{HeaderMap, HeaderName, HeaderValue};
    use std::sync::Arc;
    use std::time::Duration;
    use tallygate_core::port::provider::failure::Kind;
    use tallygate_core::port::provider::{AnswerForm, Auth, Credential, Failure, Header};
    use tallygate_core::secret::Secret;

    const BODY: Content<'_> = Content { kind: None, bytes: 7 };

    fn credential(key: &str, auth: Auth) -> Credential {
        Credential { secret: Secret::new(key), auth, hosts: Arc::default() }
    }

    fn fixed(credential: Option<&Credential>) -> Result<FixedHeaders, Failure> {
        FixedHeaders::new(&"http://llm:8000".parse().unwrap(), credential)
    }

    fn answer(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        headers.iter().copied().map(pair).collect()
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
            let extra = [Header { name: name.into(), value: "x".to_owned() }];
            assert_eq!(
                fixed(None).unwrap().of_request(Some(BODY), AnswerForm::Streamed, &extra).unwrap_err().kind,
                Kind::HeaderNotAllowed,
                "{name}"
            );
        }
        let split = [Header { name: "traceparent".into(), value: "x\r\nhost: y".to_owned() }];
        assert_eq!(
            fixed(None).unwrap().of_request(Some(BODY), AnswerForm::Streamed, &split).unwrap_err().kind,
            Kind::HeaderNotAllowed
        );
        assert!(is_forwardable("openai-beta") && !is_forwardable("x-api-key") && !is_forwardable("user-agent"));
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_not_sent() {
        for key in ["", "sk\n", "sk\0", "a\r\nhost: b"] {
            let error = fixed(Some(&credential(key, Auth::Bearer))).err().unwrap();
            assert_eq!(error.kind, Kind::CredentialUnusable);
        }
        let fixed = fixed(Some(&credential("sk-canary", Auth::Header("api-key")))).unwrap();
        let headers = fixed.of_request(Some(BODY), AnswerForm::Buffered { limit_bytes: 9 }, &[]).unwrap();
        assert_eq!(
            (&headers["host"], &headers["content-length"]),
            (&"llm:8000".parse().unwrap(), &"7".parse().unwrap())
        );
        assert_eq!(headers["api-key"], "sk-canary");
        assert!(!format!("{headers:?}").contains("canary"));
        // A name that is not among those that nobody may set.
        let fixed = FixedHeaders::new(
            &"http://llm:8000".parse().unwrap(),
            Some(&credential("sk-canary", Auth::Header("x-goog-api-key"))),
        );
        let extra = [Header { name: "x-goog-api-key".into(), value: "another".to_owned() }];
        let headers = fixed.unwrap().of_request(None, AnswerForm::Streamed, &extra).unwrap();
        assert_eq!(headers.get_all("x-goog-api-key").iter().collect::<Vec<_>>(), ["sk-canary"]);
        assert_eq!((headers.get("content-type"), headers.get("content-length")), (None, None));
    }

    #[test]
    fn the_head_of_an_answer_is_read_in_any_order_and_cut_to_its_limits() {
        let long: &'static str = "x".repeat(257).leak();
        let head = of_answer(&answer(&[
            ("cf-ray", "ray"),
            ("retry-after", "9"),
            ("x-request-id", "req"),
            ("request-id", "other"),
            ("retry-after-ms", "250"),
            ("content-type", "text/event-stream"),
            ("x-ratelimit-remaining-tokens", "7"),
            ("x-ratelimit-reset", long),
            ("set-cookie", "a=b"),
        ]));
        assert_eq!(head.request_id.as_deref(), Some("req"));
        assert_eq!(head.content_type.as_deref(), Some("text/event-stream"));
        assert_eq!(head.retry_after, Some(Duration::from_millis(250)));
        assert_eq!(head.rate_limits, [("x-ratelimit-remaining-tokens".to_owned(), "7".to_owned())]);
        let many = (0..30)
            .map(|at| (HeaderName::try_from(format!("x-ratelimit-{at}")).unwrap(), HeaderValue::from_static("1")));
        assert_eq!(of_answer(&many.collect()).rate_limits.len(), 24);
        assert_eq!(of_answer(&answer(&[("content-type", "text/plain")])).content_type.as_deref(), Some("text/plain"));
        assert_eq!(of_answer(&answer(&[("x-request-id", long), ("cf-ray", "ray")])).request_id.as_deref(), Some("ray"));
    }

    #[test]
    fn a_page_is_known_by_its_type() {
        for (kind, expected) in
            [("text/html", true), (" Text/HTML; charset=utf-8", true), ("text/htm", false), ("application/json", false)]
        {
            assert_eq!(is_page(&answer(&[("content-type", kind)])), expected, "{kind}");
        }
        assert!(!is_page(&HeaderMap::new()));
    }
}
