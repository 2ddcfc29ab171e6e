//! Almost a key.

use anyhow::Result;

use super::raw::{request, send};
use crate::scene::{KeyTerms, MODEL, Scene, chat};

#[tokio::test]
async fn what_is_almost_a_key_is_no_key() -> Result<()> {
    let scene = Scene::start().await?;
    let secret = scene.key(KeyTerms::default()).await?.secret;
    let almost = [
        secret[..secret.len() - 1].to_owned(),
        secret[..12].to_owned(),
        format!("{secret}0"),
        format!("{secret}\t0"),
        secret.to_uppercase(),
        format!(" {secret}"),
        format!("\"{secret}\""),
        format!("{secret},{secret}"),
        format!("{secret}%00"),
        format!("Bearer {secret}"),
    ];
    let before = scene.logged().await?;
    let body = chat(MODEL).to_string();
    let length = format!("content-length: {}", body.len());
    let line = "POST /v1/chat/completions HTTP/1.1";
    for almost in almost {
        let header = format!("authorization: Bearer {almost}");
        let heard = send(&scene.gateway, &request(line, &[&header, &length], &body)).await?;
        assert_eq!(heard.statuses(), [401], "{almost:?}: {}", heard.0);
        let is_named = ["key_unknown", "key_malformed"]
            .iter()
            .any(|code| heard.0.contains(&format!("x-tallygate-error: {code}\r\n")));
        assert!(is_named, "{almost:?}: {}", heard.0);
    }
    let (right, wrong) = (format!("authorization: Bearer {secret}"), "authorization: Bearer sk-another".to_owned());
    for two in [[&right, &wrong], [&wrong, &right], [&right, &right]] {
        let heard = send(&scene.gateway, &request(line, &[two[0], two[1], &length], &body)).await?;
        assert_eq!(heard.statuses(), [401], "two keys: {}", heard.0);
        assert!(heard.0.contains("x-tallygate-error: key_malformed\r\n"), "two keys: {}", heard.0);
    }
    assert!(scene.upstream.requests().is_empty());
    assert!(scene.facts_since(&before).await?.is_empty(), "strangers do not fill the log");
    let heard = send(&scene.gateway, &request(line, &[&right, &length], &body)).await?;
    assert_eq!(heard.statuses(), [200]);
    Ok(())
}
