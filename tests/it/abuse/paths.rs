//! Other ways to write a path: the decision is that of the route that is reached, and none is reached without a key.

use anyhow::Result;

use super::raw::{request, send};
use crate::scene::{KeyTerms, MODEL, Scene, chat};

const TARGETS: [&str; 22] = [
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/../api/commands",
    "/v1/../api/state",
    "/health/../api/state",
    "/health/liveliness/../../api/state",
    "/%2e%2e/api/state",
    "/v1/%2e%2e/api/state",
    "/api%2fstate",
    "/api/stat%65",
    "/api/state/",
    "/api/state;x=/health/liveliness",
    "/API/STATE",
    "/metrics/../api/state",
    "/api/state?x=/health/liveliness",
    "/api/state#/metrics",
    "http://elsewhere/api/state",
    "http://elsewhere/v1/chat/completions",
    "http://elsewhere/health/../api/state",
    "/v1/models/../../api/state",
    "/engines/%2e%2e/%2e%2e/api/state",
    "*",
];

/// Headers by which a proxy in front might be asked for another route than the one that was checked.
const OVERRIDES: [&str; 6] = [
    "x-original-url: /health/liveliness",
    "x-rewrite-url: /health/liveliness",
    "x-http-method-override: GET",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-prefix: /health",
    "host: gateway/?",
];

#[tokio::test]
async fn no_way_to_write_a_path_gets_past_the_check_of_its_route() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let before = scene.logged().await?;
    let bearer = format!("authorization: Bearer {}", key.secret);
    let body = chat(MODEL).to_string();
    let length = format!("content-length: {}", body.len());
    for method in ["GET", "POST"] {
        for target in TARGETS {
            for override_header in OVERRIDES {
                let line = format!("{method} {target} HTTP/1.1");
                let headers = [override_header, "content-type: application/json", &length];
                let heard = send(&scene.gateway, &request(&line, &headers, &body)).await?;
                assert!(heard.is_refusal(), "{line} with {override_header} and no key: {}", heard.0);
            }
            if target.contains("api") || target == "*" {
                let line = format!("{method} {target} HTTP/1.1");
                let heard = send(&scene.gateway, &request(&line, &[&bearer, &length], &body)).await?;
                assert!(heard.is_refusal(), "{line} with a virtual key: {}", heard.0);
            }
        }
    }
    assert!(scene.upstream.requests().is_empty());
    let refused = scene.refusals_since(&before).await?;
    assert!(
        refused.iter().all(|(code, _)| code == "admin_only"),
        "only the key at what is the operator's: {refused:?}"
    );
    let line = "POST http://elsewhere/v1/chat/completions HTTP/1.1";
    let heard = send(&scene.gateway, &request(line, &[&bearer, &length], &body)).await?;
    assert_eq!(heard.statuses(), [200], "with a key an absolute address is the same route: {}", heard.0);
    assert_eq!(scene.upstream.requests().len(), 1);
    Ok(())
}
