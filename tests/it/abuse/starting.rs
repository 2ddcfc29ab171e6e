//! Starts that must not happen: with secrets that everybody knows, and on a log that is not the one it was.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::gateway::Setup;

use crate::scene::{Scene, command, lines};

const SEGMENT: &str = "log/control/00000000000000000001.jsonl";

#[tokio::test]
async fn no_gateway_starts_with_an_empty_or_known_secret() -> Result<()> {
    let everywhere = || Setup::new().without_env("TALLYGATE_MASTER_KEY").host("0.0.0.0");
    let here = || Setup::new().without_env("TALLYGATE_MASTER_KEY");
    for (what, setup, words) in [
        ("no master key", everywhere(), "set a master key"),
        ("sk-1234", everywhere().env("LITELLM_MASTER_KEY", "sk-1234"), "publicly known"),
        ("crashwise123", everywhere().arg("--master-key=crashwise123"), "publicly known"),
        ("sk-proxy-default", everywhere().env("TALLYGATE_MASTER_KEY", "sk-proxy-default"), "publicly known"),
        ("a short one", everywhere().arg("--master_key=sk-0123456789ab"), "publicly known or shorter"),
        ("an empty master key", here().env("TALLYGATE_MASTER_KEY", ""), "empty"),
        ("an empty one of LiteLLM's", here().env("LITELLM_MASTER_KEY", ""), "empty"),
        ("an empty secret", here().env("TALLYGATE_SECRET", ""), "secret"),
        ("an empty salt", here().env("LITELLM_SALT_KEY", ""), "secret"),
        ("a short secret", here().arg("--secret=0123456789"), "secret"),
    ] {
        let data = tempfile::tempdir()?;
        let ended = setup.data(data.path()).run().await?;
        assert!(!ended.status.success() && ended.output.contains(words), "{what}: {}", ended.output);
        assert!(!data.path().join("log").exists(), "{what}: nothing was written");
    }
    Ok(())
}

/// The secret of all logs here, so that every line of each is authentic in the others' places.
fn on(data: &Path) -> Setup {
    Setup::new().env("TALLYGATE_SECRET", "the-secret-of-all-of-these-logs").data(data)
}

async fn stopped(data: &Path, realms: usize) -> Result<()> {
    let scene = Scene::with(on(data)).await?;
    for number in 0..realms {
        command(&scene.gateway, "RegisterRealm", json!({ "realm": format!("r-{number}") })).await?.expect(200)?;
    }
    scene.gateway.shut_down().await?;
    Ok(())
}

#[tokio::test]
async fn a_log_that_has_lost_its_end_is_not_gone_on_with() -> Result<()> {
    let data = tempfile::tempdir()?;
    stopped(data.path(), 5).await?;
    let segment = data.path().join(SEGMENT);
    let text = fs::read_to_string(&segment)?;
    let last = text.trim_end().rfind('\n').context("one line")?;
    let shorter = &text[..=last];
    fs::write(&segment, shorter)?;
    let ended = on(data.path()).run().await?;
    assert!(!ended.status.success(), "{}", ended.output);
    assert!(ended.output.contains("shorter") || ended.output.contains("ends"), "{}", ended.output);
    assert_eq!(fs::read_to_string(&segment)?, shorter, "the evidence is as it was");
    fs::write(&segment, &text)?;
    let gateway = on(data.path()).start().await?;
    assert_eq!(lines(gateway.data(), "control")?.len(), text.lines().count());
    Ok(())
}

#[tokio::test]
async fn another_log_under_the_same_name_is_not_gone_on_with() -> Result<()> {
    let (data, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    stopped(data.path(), 2).await?;
    stopped(other.path(), 4).await?;
    let foreign = fs::read(other.path().join(SEGMENT))?;
    fs::write(data.path().join(SEGMENT), &foreign)?;
    let ended = on(data.path()).run().await?;
    assert!(!ended.status.success(), "{}", ended.output);
    assert_eq!(fs::read(data.path().join(SEGMENT))?, foreign, "nothing was added");
    Ok(())
}
