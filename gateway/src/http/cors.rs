//! Cross-origin requests: pages of which other origins a browser lets call the gateway. Off unless origins are configured.
//!
//! Keys travel in headers that a page sets itself, and cookies are for the gateway's own pages, so no answer allows
//! credentials.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

/// The methods of all routes.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// How long a browser may remember what it was allowed, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// The origin of a page, as a browser sends it: `https://app.example`, or `*` for every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is `*`, or a scheme, a host and a port as browsers send them: https://app.example, http://localhost:3000"
)]
pub struct InvalidOrigin;

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if text == "*" {
            return Ok(Self(ANY));
        }
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(InvalidOrigin)?;
        // Browsers leave out the port that a scheme has anyway.
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(InvalidOrigin),
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        let is_authority = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
        if authority.is_empty() || !authority.chars().all(is_authority) {
            return Err(InvalidOrigin);
        }
        HeaderValue::from_str(&format!("{scheme}://{authority}")).map(Self).map_err(|_| InvalidOrigin)
    }
}

/// The origins that may call.
#[derive(Debug)]
pub(crate) struct Cors {
    /// None for every one.
    origins: Option<Vec<HeaderValue>>,
}

/// What a browser is told about a request.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The origin that may read the answer; none where none may.
    allowed: Option<HeaderValue>,
    /// Whether the answer depends on the origin.
    varies: bool,
    /// The headers that a preflight asks for, where it is one that is allowed.
    preflight: Option<Option<HeaderValue>>,
}

impl Cors {
    /// The configured origins; none where nothing is configured.
    pub(crate) fn new(origins: Vec<Origin>) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origins: Vec<HeaderValue> = origins.into_iter().map(|origin| origin.0).collect();
        Some(Self { origins: (!origins.contains(&ANY)).then_some(origins) })
    }

    /// Decides about a request.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Verdict {
        let headers = request.headers();
        let allowed = headers.get(ORIGIN).and_then(|origin| match &self.origins {
            None => Some(ANY),
            Some(origins) => origins.contains(origin).then(|| origin.clone()),
        });
        let asks = request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let preflight = (asks && allowed.is_some()).then(|| headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned());
        Verdict { allowed, varies: self.origins.is_some(), preflight }
    }
}

impl Verdict {
    /// The whole answer to a preflight that is allowed; none for other requests, which are served as ever.
    pub(crate) fn preflight(&mut self) -> Option<Response> {
        let asked = self.preflight.take()?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        self.mark(response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(asked) = asked {
            // Named one by one, since `*` leaves out `authorization`.
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        Some(response)
    }

    /// Tells the browser whose pages may read an answer.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, BY_ORIGIN);
        }
        if let Some(allowed) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cors, Origin};
    use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, VARY};
    use http::{HeaderMap, Request};

    fn cors(origins: &[&str]) -> Cors {
        Cors::new(origins.iter().map(|origin| origin.parse().unwrap()).collect()).unwrap()
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
        let request = Request::builder().method(method).uri("/v1/models");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
    }

    fn marked(cors: &Cors, request: &Request<()>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        cors.judge(request).mark(&mut headers);
        headers
    }

    #[test]
    fn an_origin_is_read_as_browsers_send_it() {
        for (text, origin) in [
            ("*", "*"),
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().0, origin, "{text}");
        }
        for text in
            ["", "app.example", "https://", "https://app.example/", "https://a b", "null", "ftp://a", "https://*.a"]
        {
            assert!(text.parse::<Origin>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_origins_that_are_configured_may_read() {
        let cors = cors(&["https://app.example", "http://localhost:3000"]);
        let own = marked(&cors, &request("GET", &[("origin", "http://localhost:3000")]));
        assert_eq!(own[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:3000");
        for origin in ["https://app.example.evil", "https://app.example:8443", "http://app.example", "null"] {
            let other = marked(&cors, &request("GET", &[("origin", origin)]));
            assert_eq!((other.get(ACCESS_CONTROL_ALLOW_ORIGIN), &other[VARY]), (None, &"origin".parse().unwrap()));
        }
        let any = super::tests::cors(&["https://app.example", "*"]);
        let marked = marked(&any, &request("GET", &[("origin", "https://anybody")]));
        assert_eq!((&marked[ACCESS_CONTROL_ALLOW_ORIGIN], marked.get(VARY)), (&"*".parse().unwrap(), None));
    }

    #[test]
    fn only_a_preflight_of_an_origin_that_may_is_answered_here() {
        let cors = cors(&["https://app.example"]);
        let asks = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
        let with_headers = [&asks[..], &[("access-control-request-headers", "authorization,content-type")]].concat();
        let answer = cors.judge(&request("OPTIONS", &with_headers)).preflight().unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS]),
            (204, &"authorization,content-type".parse().unwrap())
        );
        let other = [("origin", "https://other.example"), asks[1]];
        for (method, headers) in [("GET", &asks[..]), ("OPTIONS", &asks[..1]), ("OPTIONS", &other[..])] {
            assert!(cors.judge(&request(method, headers)).preflight().is_none(), "{method} {headers:?}");
        }
    }

    #[test]
    fn without_origins_there_is_nothing_to_judge() {
        assert!(Cors::new(Vec::new()).is_none());
    }
}
