//! The cookie that a browser keeps a session's secret in.

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue};
use tallygate_core::secret::Secret;

use super::App;
use super::credentials;
use super::error::ApiError;

/// Our own cookie. Those of other names are other programs'.
const NAME: &str = "tallygate_session";
/// LiteLLM's cookie: it tells a page who signed in, and nobody is known by it here.
pub(super) const TOKEN: &str = "token";

/// The secret of a request: the key of its headers, or where there is none the session of its cookie.
///
/// # Errors
/// As [`credentials::presented`]; and two cookies, which are two identities.
pub(super) fn presented(headers: &HeaderMap) -> Result<Secret, ApiError> {
    match credentials::presented(headers) {
        Err(error) if is_there(headers) && error.code == "key_missing" => of_cookie(headers)?.ok_or(error),
        presented => presented,
    }
}

/// Whether the headers hold any cookie of ours, whatever else they hold.
pub(super) fn is_there(headers: &HeaderMap) -> bool {
    values(headers).next().is_some()
}

fn of_cookie(headers: &HeaderMap) -> Result<Option<Secret>, ApiError> {
    let mut values = values(headers);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(credentials::malformed(&format!("the cookie `{NAME}` is there twice: sign in again")));
    }
    credentials::checked(value).map(Some)
}

fn values(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// A cookie to keep for so many seconds; none of them has a browser forget it. No script reads it, and no page of another
/// site sends it along but by a link.
pub(super) fn kept(app: &App, headers: &HeaderMap, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
    let secure = if is_https(app, headers) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).ok()
}

/// Our own cookie with a session's secret.
pub(super) fn of_session(app: &App, headers: &HeaderMap, secret: &Secret, seconds: u64) -> Option<HeaderValue> {
    kept(app, headers, NAME, secret.expose(), seconds)
}

/// What has a browser forget our own cookie.
pub(super) fn forgotten(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    kept(app, headers, NAME, "", 0)
}

/// Whether the browser speaks HTTPS to whatever stands in front: by the address that the gateway is told it has, or by the
/// word of a proxy that is trusted.
fn is_https(app: &App, headers: &HeaderMap) -> bool {
    let public = public_host(app).filter(|(scheme, host)| *scheme == "https" && host_of(headers) == Some(*host));
    let forwarded = headers.get_all("x-forwarded-proto").iter().next_back();
    let by_proxy = forwarded.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    public.is_some() || (app.signing_in.trusts_forwarded && by_proxy)
}

/// The host that a request was sent to, with its port.
pub(super) fn host_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// Scheme and host of the gateway's public address.
pub(super) fn public_host(app: &App) -> Option<(&str, &str)> {
    let (scheme, rest) = app.agents.settings().public_url.as_deref()?.split_once("://")?;
    Some((scheme, rest.split('/').next().unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::presented;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn a_key_of_the_headers_counts_before_the_cookie_and_cookies_of_others_never_do() {
        let found = |pairs: &[(&str, &str)]| {
            presented(&headers(pairs)).map(|secret| secret.expose().to_owned()).map_err(|error| error.code)
        };
        let cookie = ("cookie", "next-auth.session-token=x; tallygate_session=sk-session-1; theme=dark");
        assert_eq!(found(&[cookie]), Ok("sk-session-1".to_owned()));
        assert_eq!(found(&[cookie, ("x-api-key", "sk-2")]), Ok("sk-2".to_owned()));
        assert_eq!(found(&[cookie, ("authorization", "nonsense")]), Err("key_malformed"), "not for a cookie to mend");
        assert_eq!(
            found(&[("cookie", "next-auth.session-token=x; token=y; xtallygate_session=z")]),
            Err("key_missing")
        );
        assert_eq!(found(&[("cookie", "tallygate_session=")]), Err("key_missing"));
        assert_eq!(found(&[cookie, ("cookie", "tallygate_session=other")]), Err("key_malformed"), "two identities");
        assert_eq!(found(&[]), Err("key_missing"));
    }
}
