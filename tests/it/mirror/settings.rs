//! Off unless it is asked for, whole.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, Setup};

#[tokio::test]
async fn without_a_proxy_the_mirror_is_off_and_there_are_no_metrics_of_it() -> Result<()> {
    let gateway = Gateway::start().await?;
    let operator = gateway.operator()?;
    assert_eq!(operator.get("/api/mirror").await?.expect(200)?.json()?, json!({ "mirror": { "state": "off" } }));
    assert!(!operator.get("/metrics").await?.expect(200)?.text().contains("tallygate_mirror"));
    assert!(!gateway.data().join("mirror.json").exists());
    assert_eq!(Client::new(gateway.url(), None)?.get("/api/mirror").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn half_of_it_or_no_address_stops_the_start_and_says_what_is_missing() -> Result<()> {
    let url = "TALLYGATE_MIRROR_LITELLM_URL";
    let key = "TALLYGATE_MIRROR_LITELLM_KEY";
    for (setup, says) in [
        (Setup::new().env(url, "http://127.0.0.1:4001"), "--mirror-litellm-key"),
        (Setup::new().env(key, "sk-canary"), "--mirror-litellm-url"),
        (Setup::new().env(url, "litellm:4000").env(key, "sk-canary"), "--mirror-litellm-url is not an address"),
        (Setup::new().env(url, "http://169.254.169.254").env(key, "sk-canary"), "cannot be kept in step"),
    ] {
        let ended = setup.run().await?;
        assert!(!ended.status.success() && ended.output.contains(says), "{says}: {}", ended.output);
        assert!(!ended.output.contains("sk-canary"));
    }
    Ok(())
}
