//! What somebody signs in with, and from where.

use std::net::IpAddr;

use http::HeaderMap;
use serde::Deserialize;
use tallygate_core::secret::Secret;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::signing_in::{Peer, TooMany};

/// A name and a password, as LiteLLM's forms have them too.
#[derive(Debug, Deserialize)]
pub(super) struct NameAndPassword {
    /// The user's id or email address, or the operator's name.
    pub(super) username: String,
    pub(super) password: Secret,
}

/// A body of `POST /api/sessions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    pub(super) key: Option<Secret>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

/// Counts an attempt for its name and its address.
///
/// # Errors
/// There were too many.
pub(super) fn count(app: &App, headers: &HeaderMap, peer: Peer, name: Option<&str>) -> Result<(), ApiError> {
    let counted = app.signing_in.attempts.count(name, address(app, headers, peer));
    counted.map_err(|TooMany { retry_after }| {
        app.pipeline.metrics.sign_in("limited");
        let message = "too many attempts to sign in: wait, then try again";
        ApiError::new(ErrorCode::SignInLimited, message).retry_after(retry_after)
    })
}

/// Where a request comes from: whoever is connected, or whom the proxy in front says is connected to it, the last of its list.
pub(super) fn address(app: &App, headers: &HeaderMap, peer: Peer) -> IpAddr {
    if !app.signing_in.trusts_forwarded {
        return peer.0;
    }
    let last = headers.get_all("x-forwarded-for").iter().next_back();
    let last = last.and_then(|list| list.to_str().ok()).and_then(|list| list.rsplit(',').next());
    last.and_then(|address| address.trim().parse().ok()).unwrap_or(peer.0)
}
