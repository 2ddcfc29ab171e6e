//! Requests that another site's page may have had a browser send: what would change something by a cookie is refused, unless
//! the browser says that a page of the gateway's own sends it.
//!
//! Nobody is kept from anything who shows a key: pages of other sites have none.

use axum::response::{IntoResponse as _, Response};
use http::header::ORIGIN;
use http::{HeaderMap, Method};

use super::App;
use super::credentials;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::session_cookie::{host_of, is_there, public_host};

const FETCH_SITE: &str = "sec-fetch-site";
/// What a client that is no browser sends with a cookie. A page of another site cannot: it would have to ask first, and no
/// answer lets it send cookies.
const OWN: &str = "x-tallygate-csrf";
/// Where people sign in: a page of another site must not sign somebody in as somebody else.
const SIGN_IN: [&str; 3] = ["/api/sessions", "/login", "/v2/login"];

/// What a browser says of where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Own,
    Other,
    Nothing,
}

/// The answer to a request that may come from another site's page.
pub(super) fn refused(app: &App, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if method.is_safe() {
        return None;
    }
    let by_cookie = is_there(headers) && credentials::presented(headers).is_err();
    let signs_in = *method == Method::POST && SIGN_IN.contains(&path);
    let is_own = match said(headers, public_host(app).map(|(_, host)| host)) {
        Said::Own => true,
        Said::Other => !by_cookie && !signs_in,
        Said::Nothing => !by_cookie || signs_in || headers.get(OWN).is_some_and(|value| !value.is_empty()),
    };
    (!is_own).then(|| denied().into_response())
}

fn said(headers: &HeaderMap, public: Option<&str>) -> Said {
    if let Some(site) = headers.get(FETCH_SITE) {
        // A page of another port or a sister domain is `same-site`, and nobody's whom we know.
        return if site == "same-origin" || site == "none" { Said::Own } else { Said::Other };
    }
    let Some(origin) = headers.get(ORIGIN) else { return Said::Nothing };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let is_own = host.is_some_and(|host| Some(host) == host_of(headers) || Some(host) == public);
    if is_own { Said::Own } else { Said::Other }
}

fn denied() -> ApiError {
    let message = format!(
        "a session's cookie changes something only from a page of this gateway: send the header `{OWN}: 1`, or a key instead of the cookie"
    );
    ApiError::new(ErrorCode::CrossOrigin, message)
}

#[cfg(test)]
mod tests {
    use super::{Said, said};
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn only_the_gateways_own_pages_are_its_own() {
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")][..], Said::Own),
            (&[("sec-fetch-site", "none")], Said::Own),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://gateway.example")], Said::Other),
            (&[("sec-fetch-site", "cross-site")], Said::Other),
            (&[("origin", "https://gateway.example")], Said::Own),
            (&[("origin", "http://127.0.0.1:4000")], Said::Own),
            (&[("origin", "http://127.0.0.1:4001")], Said::Other),
            (&[("origin", "https://gateway.example.evil.example")], Said::Other),
            (&[("origin", "null")], Said::Other),
            (&[], Said::Nothing),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:4000"));
            for (name, value) in pairs {
                headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(said(&headers, Some("gateway.example")), expected, "{pairs:?}");
        }
    }
}
