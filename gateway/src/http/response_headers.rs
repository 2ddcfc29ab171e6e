//! Headers of a successful answer: LiteLLM's, which its clients read, and ours.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use tallygate_core::scope::Scope;

use super::error::ROUTE;
use crate::limits::{Kind, Left};
use crate::pipeline::ended::Summary;

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
const MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const UNPRICED: HeaderName = HeaderName::from_static("x-tallygate-unpriced");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const POSITION: HeaderName = HeaderName::from_static("x-tallygate-position");
const DROPPED: HeaderName = HeaderName::from_static("x-tallygate-dropped-params");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const HOPS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
const OUTPUT_LIMIT: HeaderName = HeaderName::from_static("x-tallygate-max-output-tokens");

/// OpenAI's name, and LiteLLM's.
type Names = [HeaderName; 2];
const REQUESTS_LIMIT: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-api_key-limit-requests"),
];
const REQUESTS_REMAINING: Names = [
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-api_key-remaining-requests"),
];
const TOKENS_LIMIT: Names =
    [HeaderName::from_static("x-ratelimit-limit-tokens"), HeaderName::from_static("x-ratelimit-api_key-limit-tokens")];
const TOKENS_REMAINING: Names = [
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-api_key-remaining-tokens"),
];

/// Ours, without what few answers have. With those that the server adds they fit into a map of 24: one more, and every answer
/// would have a map of twice the size.
const HEADERS_USUAL: usize = 20;
/// Most of them fit into so many bytes.
const BYTES_USUAL: usize = 384;

/// Adds what a request's summary tells.
pub(crate) fn add(headers: &mut HeaderMap, summary: &Summary) {
    let mut values = Values::new();
    values.add(REQUEST_ID, summary.request);
    values.again(CALL_ID);
    values.text(MODEL_ID, &summary.deployment);
    values.text(MODEL_GROUP, &summary.model);
    values.number(POSITION, summary.position);
    values.number(DURATION, summary.duration_ms);
    if let Some(cost) = summary.cost {
        values.add(COST, cost);
    }
    if let Some(reason) = summary.unpriced {
        values.text(UNPRICED, reason.as_str());
    }
    if let Some(tokens) = summary.output_limit {
        values.number(OUTPUT_LIMIT, tokens);
    }
    if !summary.dropped.is_empty() {
        values.text(DROPPED, &summary.dropped);
    }
    values.add(ROUTE, &summary.route);
    values.number(RETRIES, summary.retries);
    values.number(HOPS, summary.hops);
    for left in &summary.left {
        limits(&mut values, left);
    }
    values.insert_into(headers);
}

/// `x-ratelimit-*` of the key, in OpenAI's names and in LiteLLM's.
fn limits(values: &mut Values, left: &Left) {
    let ([limit, limit_again], [remaining, remaining_again]) = match (&left.scope, left.kind) {
        (Scope::Key(_), Kind::Requests) => (REQUESTS_LIMIT, REQUESTS_REMAINING),
        (Scope::Key(_), Kind::Tokens) => (TOKENS_LIMIT, TOKENS_REMAINING),
        _ => return,
    };
    values.number(limit, left.limit);
    values.again(limit_again);
    values.number(remaining, left.remaining);
    values.again(remaining_again);
}

/// Header values, written one after another into one piece of memory.
struct Values {
    text: BytesMut,
    /// Each name, and where its value is.
    places: Vec<(HeaderName, Range<usize>)>,
}

impl Values {
    fn new() -> Self {
        Self { text: BytesMut::with_capacity(BYTES_USUAL), places: Vec::with_capacity(HEADERS_USUAL) }
    }

    fn add(&mut self, name: HeaderName, value: impl Display) {
        let start = self.text.len();
        // A buffer that grows takes everything.
        let _ = write!(self.text, "{value}");
        self.places.push((name, start..self.text.len()));
    }

    fn text(&mut self, name: HeaderName, value: &str) {
        let start = self.text.len();
        self.text.extend_from_slice(value.as_bytes());
        self.places.push((name, start..self.text.len()));
    }

    fn number(&mut self, name: HeaderName, value: impl itoa::Integer) {
        self.text(name, itoa::Buffer::new().format(value));
    }

    /// The value before it, under another name too.
    fn again(&mut self, name: HeaderName) {
        if let Some((_, place)) = self.places.last() {
            self.places.push((name, place.clone()));
        }
    }

    /// Sets the headers; a name that holds what a header cannot is left out.
    fn insert_into(self, headers: &mut HeaderMap) {
        headers.reserve(HEADERS_USUAL);
        let text = self.text.freeze();
        for (name, place) in self.places {
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(place)) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::HeaderMap;
    use tallygate_core::id::RequestId;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::routing::Route;
    use tallygate_core::scope::Scope;
    use tallygate_core::testing::samples::key_id;
    use uuid::Uuid;

    use super::add;
    use crate::limits::{Kind, Left};
    use crate::pipeline::ended::Summary;

    #[test]
    fn every_value_stands_under_its_name_and_one_that_no_header_can_hold_is_left_out() {
        let left = |kind, limit, remaining| Left { scope: Scope::Key(key_id(1)), kind, limit, remaining };
        let summary = Summary {
            request: RequestId::new(Uuid::from_u128(7)),
            deployment: "one\ntwo".to_owned(),
            model: "acme/large".to_owned(),
            position: 12,
            cost: Some(NanoUsd::new(1_500)),
            unpriced: None,
            duration_ms: 34,
            output_limit: None,
            dropped: "seed,logit_bias".to_owned(),
            route: Route::default(),
            retries: 2,
            hops: 1,
            left: vec![left(Kind::Requests, 60, 59), left(Kind::Tokens, 1_000, 900)],
        };
        let mut headers = HeaderMap::new();
        add(&mut headers, &summary);
        let found: BTreeMap<&str, &str> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let id = "00000000-0000-0000-0000-000000000007";
        let expected = [
            ("x-request-id", id),
            ("x-litellm-call-id", id),
            ("x-litellm-model-group", "acme/large"),
            ("x-tallygate-position", "12"),
            ("x-litellm-response-duration-ms", "34"),
            ("x-litellm-response-cost", "0.0000015"),
            ("x-tallygate-dropped-params", "seed,logit_bias"),
            ("x-tallygate-route", ""),
            ("x-litellm-attempted-retries", "2"),
            ("x-litellm-attempted-fallbacks", "1"),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-api_key-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-api_key-remaining-requests", "59"),
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-api_key-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", "900"),
            ("x-ratelimit-api_key-remaining-tokens", "900"),
        ];
        assert_eq!(found, BTreeMap::from(expected));
    }
}
