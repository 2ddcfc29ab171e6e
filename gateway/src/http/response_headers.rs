//! Headers of a successful answer: LiteLLM's, which its clients read, and ours.

use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::sync::OnceLock;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tallygate_core::id::DeploymentId;
use tallygate_core::scope::Scope;

use super::error;
use crate::limits::{Kind, Left};
use crate::pipeline::ended::Summary;

static CONTENT_TYPE: HeaderName = header::CONTENT_TYPE;
static CACHE_CONTROL: HeaderName = header::CACHE_CONTROL;
static ROUTE: HeaderName = error::ROUTE;
static CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
static MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
static COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
static UNPRICED: HeaderName = HeaderName::from_static("x-tallygate-unpriced");
static DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
static POSITION: HeaderName = HeaderName::from_static("x-tallygate-position");
static DROPPED: HeaderName = HeaderName::from_static("x-tallygate-dropped-params");
static RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
static HOPS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
static OUTPUT_LIMIT: HeaderName = HeaderName::from_static("x-tallygate-max-output-tokens");

/// OpenAI's name, and LiteLLM's.
type Names = [HeaderName; 2];
static REQUESTS_LIMIT: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-api_key-limit-requests"),
];
static REQUESTS_REMAINING: Names = [
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-api_key-remaining-requests"),
];
static TOKENS_LIMIT: Names =
    [HeaderName::from_static("x-ratelimit-limit-tokens"), HeaderName::from_static("x-ratelimit-api_key-limit-tokens")];
static TOKENS_REMAINING: Names = [
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-api_key-remaining-tokens"),
];

/// Most answers have no more headers than this, and their values fit into so many bytes.
const HEADERS_USUAL: usize = 20;
const BYTES_USUAL: usize = 384;

/// What one answer has and another has not.
#[derive(Debug, Clone, Copy)]
enum Extra {
    CacheControl,
    Cost,
    Unpriced,
    OutputLimit,
    Dropped,
    Requests,
    Tokens,
}

impl Extra {
    const COUNT: usize = Self::Tokens as usize + 1;

    const fn bit(self) -> usize {
        1 << self as usize
    }
}

/// For each choice of extras the headers of such an answer, without their values, since one was first made. Who copies them need not
/// hash each name and find a place for it.
static BLANKS: [OnceLock<HeaderMap>; 1 << Extra::COUNT] = [const { OnceLock::new() }; 1 << Extra::COUNT];

/// The headers of an answer of this type, that says what a summary tells.
pub(crate) fn of(content_type: &str, cache_control: Option<&str>, summary: &Summary) -> HeaderMap {
    let mut values = Values::new();
    values.text(&CONTENT_TYPE, content_type);
    values.add(&REQUEST_ID, summary.request);
    values.again(&CALL_ID);
    values.text(&MODEL_ID, summary.deployment.as_ref().map_or("", DeploymentId::as_str));
    values.text(&MODEL_GROUP, summary.model.as_str());
    values.number(&POSITION, summary.position);
    values.number(&DURATION, summary.duration_ms);
    values.add(&ROUTE, &summary.route);
    values.number(&RETRIES, summary.retries);
    values.number(&HOPS, summary.hops);
    if let Some(said) = cache_control {
        values.extra(Extra::CacheControl).text(&CACHE_CONTROL, said);
    }
    if let Some(cost) = summary.cost {
        values.extra(Extra::Cost).add(&COST, cost);
    }
    if let Some(reason) = summary.unpriced {
        values.extra(Extra::Unpriced).text(&UNPRICED, reason.as_str());
    }
    if let Some(tokens) = summary.output_limit {
        values.extra(Extra::OutputLimit).number(&OUTPUT_LIMIT, tokens);
    }
    if !summary.dropped.is_empty() {
        values.extra(Extra::Dropped).text(&DROPPED, &summary.dropped);
    }
    if let Some(left) = of_key(&summary.left, Kind::Requests) {
        values.extra(Extra::Requests).left(left, &REQUESTS_LIMIT, &REQUESTS_REMAINING);
    }
    if let Some(left) = of_key(&summary.left, Kind::Tokens) {
        values.extra(Extra::Tokens).left(left, &TOKENS_LIMIT, &TOKENS_REMAINING);
    }
    values.into_headers()
}

/// What is left of a limit of the key: others are told to nobody.
fn of_key(left: &[Left], kind: Kind) -> Option<&Left> {
    left.iter().find(|left| left.kind == kind && matches!(left.scope, Scope::Key(_)))
}

/// Header values, written one after another into one piece of memory.
struct Values {
    text: BytesMut,
    /// Each name, and where its value is. In one order for the same extras.
    places: Vec<(&'static HeaderName, Range<usize>)>,
    extras: usize,
}

impl Values {
    fn new() -> Self {
        let text = BytesMut::with_capacity(BYTES_USUAL);
        Self { text, places: Vec::with_capacity(HEADERS_USUAL), extras: 0 }
    }

    /// What follows is not in every answer.
    const fn extra(&mut self, extra: Extra) -> &mut Self {
        self.extras |= extra.bit();
        self
    }

    fn add(&mut self, name: &'static HeaderName, value: impl Display) {
        let start = self.text.len();
        // A buffer that grows takes everything.
        let _ = write!(self.text, "{value}");
        self.places.push((name, start..self.text.len()));
    }

    fn text(&mut self, name: &'static HeaderName, value: &str) {
        let start = self.text.len();
        self.text.extend_from_slice(value.as_bytes());
        self.places.push((name, start..self.text.len()));
    }

    fn number(&mut self, name: &'static HeaderName, value: impl itoa::Integer) {
        self.text(name, itoa::Buffer::new().format(value));
    }

    /// `x-ratelimit-*`, in OpenAI's names and in LiteLLM's.
    fn left(
        &mut self,
        left: &Left,
        [limit, limit_again]: &'static Names,
        [remaining, remaining_again]: &'static Names,
    ) {
        self.number(limit, left.limit);
        self.again(limit_again);
        self.number(remaining, left.remaining);
        self.again(remaining_again);
    }

    /// The value before it, under another name too.
    fn again(&mut self, name: &'static HeaderName) {
        if let Some((_, place)) = self.places.last() {
            self.places.push((name, place.clone()));
        }
    }

    /// The headers. A name that is to hold what a header cannot is left out.
    fn into_headers(self) -> HeaderMap {
        let text = self.text.freeze();
        let Some(blank) = BLANKS.get(self.extras) else { return HeaderMap::new() };
        let mut headers = blank.get_or_init(|| blank_of(&self.places)).clone();
        let mut unfit = Vec::new();
        let mut again: Option<HeaderValue> = None;
        let following = self.places.iter().skip(1).map(|(_, place)| Some(place)).chain([None]);
        for ((slot, (name, place)), next) in headers.values_mut().zip(&self.places).zip(following) {
            // One that is told twice is looked at once.
            let value = again.take().map_or_else(|| HeaderValue::from_maybe_shared(text.slice(place.clone())), Ok);
            match value {
                Ok(value) => {
                    again = (next == Some(place)).then(|| value.clone());
                    *slot = value;
                }
                Err(_) => unfit.push(name),
            }
        }
        for name in unfit {
            headers.remove(*name);
        }
        headers
    }
}

/// The same names in the same order, without values.
fn blank_of(places: &[(&'static HeaderName, Range<usize>)]) -> HeaderMap {
    places.iter().map(|(name, _)| (HeaderName::clone(name), HeaderValue::from_static(""))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tallygate_core::id::RequestId;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::routing::Route;
    use tallygate_core::scope::Scope;
    use tallygate_core::testing::samples::{id, key_id};
    use uuid::Uuid;

    use super::of;
    use crate::limits::{Kind, Left};
    use crate::pipeline::ended::Summary;

    #[test]
    fn every_value_stands_under_its_name_and_one_that_no_header_can_hold_is_left_out() {
        let left = |kind, limit, remaining| Left { scope: Scope::Key(key_id(1)), kind, limit, remaining };
        let summary = Summary {
            request: RequestId::new(Uuid::from_u128(7)),
            deployment: Some(id("one")),
            model: id("acme/large"),
            position: 12,
            cost: Some(NanoUsd::new(1_500)),
            unpriced: None,
            duration_ms: 34,
            output_limit: None,
            dropped: "seed,logit\nbias".to_owned(),
            route: Route::default(),
            retries: 2,
            hops: 1,
            left: vec![left(Kind::Requests, 60, 59), left(Kind::Tokens, 1_000, 900)],
        };
        // The first makes what the second is a copy of.
        let (_, headers) = (of("text/plain", None, &summary), of("application/json", None, &summary));
        let found: BTreeMap<&str, &str> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let request = "00000000-0000-0000-0000-000000000007";
        let expected = [
            ("content-type", "application/json"),
            ("x-request-id", request),
            ("x-litellm-call-id", request),
            ("x-litellm-model-id", "one"),
            ("x-litellm-model-group", "acme/large"),
            ("x-tallygate-position", "12"),
            ("x-litellm-response-duration-ms", "34"),
            ("x-litellm-response-cost", "0.0000015"),
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
        let other = Summary { cost: None, output_limit: Some(9), left: Vec::new(), ..summary };
        let streamed = of("text/event-stream", Some("no-cache"), &other);
        assert_eq!((streamed["cache-control"].as_bytes(), streamed.len()), (&b"no-cache"[..], 12));
        assert_eq!(streamed["x-tallygate-max-output-tokens"], "9");
        let limited = of("application/json", None, &Summary { left: vec![left(Kind::Tokens, 5, 4)], ..other });
        assert_eq!(
            (&limited["x-ratelimit-limit-tokens"], limited.get("x-ratelimit-limit-requests")),
            (&"5".parse().unwrap(), None)
        );
    }
}
