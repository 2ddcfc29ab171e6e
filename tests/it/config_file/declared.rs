//! What a file declares is served, is in the log with the file as its actor, and is so once.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Declaring, FILE, setup};

#[tokio::test]
async fn what_a_file_declares_is_served_and_a_restart_with_the_same_file_writes_nothing() -> Result<()> {
    let declaring = Declaring::start(FILE).await?;
    assert_eq!(declaring.names().await?, ["local", "openai/gpt-5"]);
    let caller = declaring.caller().await?;
    caller.post("/v1/chat/completions", &crate::scene::chat("openai/gpt-5")).await?.expect(200)?;
    let sent = declaring.upstream.requests();
    assert_eq!(sent[0].header("authorization"), Some("Bearer sk-canary-of-the-provider"));
    let log = declaring.control()?;
    let declared: Vec<_> = log.iter().filter(|line| line["actor"]["kind"] == "configuration").collect();
    assert!(declared.len() >= 8, "{log:?}");
    for line in &declared {
        assert_eq!(line["actor"]["id"], "proxy_config.yaml");
        assert!(!line.to_string().contains("canary"), "{line}");
    }
    let commands: std::collections::BTreeSet<_> = declared.iter().map(|line| line["command"].to_string()).collect();
    assert!(commands.len() == 1 && !commands.contains("null"), "all of it is one command: {commands:?}");
    let models = declaring.models().await?;
    assert_eq!(models.len(), 3);
    let large = models.iter().find(|model| model["model_name"] == "openai/gpt-5").context("not there")?;
    assert_eq!(
        (
            &large["model_info"]["input_cost_per_token"],
            &large["model_info"]["description"],
            &large["model_info"]["db_model"]
        ),
        (&json!(0.00000125), &json!("the large one"), &json!(false))
    );
    let spend = declaring.operator()?.get("/global/spend").await?.expect(200)?;
    assert_eq!(spend.at("/max_budget")?, json!(100.0));
    let declaring = declaring.restart().await?;
    assert_eq!(declaring.control()?, log, "the same file changes nothing");
    assert_eq!(declaring.state().await?["deployments"], 3);
    Ok(())
}

#[tokio::test]
async fn a_fallback_and_the_retries_of_the_file_route_its_models() -> Result<()> {
    let declaring = Declaring::start(FILE).await?;
    let position = declaring.control()?.len();
    let routed =
        declaring.control()?.into_iter().find(|line| line["type"] == "model.routing_set").context("no routing")?;
    assert_eq!(routed["data"]["routing"]["fallbacks"], json!(["local"]));
    let declaring = declaring.restart().await?;
    assert_eq!(declaring.control()?.len(), position);
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_in_force_stops_the_start_with_all_that_is_wrong_and_writes_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bad.yaml");
    let text = "model_list:\n  - {model_name: a, litellm_params: {model: nobody/x}}\n  - {model_name: b, litellm_params: {model: openai/x, temperature: 1}}\n";
    std::fs::write(&path, text)?;
    let data = folder.path().join("data");
    let ended = setup().data(&data).arg("--config").arg(path.to_string_lossy()).run().await?;
    assert_eq!(ended.status.code(), Some(1));
    for said in ["line 2: error", "line 3: error: `litellm_params.temperature`"] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    let log = crate::scene::lines(&data, "control")?;
    assert!(log.iter().all(|line| line["actor"]["kind"] != "configuration"), "{log:?}");
    std::fs::write(&path, format!("{text}  - {{model_name: b}}\n  - {{model_name: b}}\ngeneral_settings: 1\n"))?;
    let ended = setup().data(&data).arg("--config").arg(path.to_string_lossy()).run().await?;
    for said in ["`b` is declared twice", "line 6: error: `general_settings` is no map"] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    Ok(())
}

#[tokio::test]
async fn the_file_may_be_named_as_litellm_names_it_and_its_master_key_counts_where_no_other_is_given() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "general_settings:\n  master_key: sk-of-the-file\n  otel: true\n")?;
    let setup = super::setup().without_env("LITELLM_MASTER_KEY").env("CONFIG_FILE_PATH", path.to_string_lossy());
    let gateway = setup.start().await?;
    let state = gateway.caller("sk-of-the-file")?.get("/api/state").await?.expect(200)?;
    assert_eq!(state.at("/configuration/file")?, "config.yaml");
    let warning = "line 3: warning: `general_settings.otel` is known and has no effect here yet";
    assert_eq!(state.at("/configuration/warnings")?, json!([warning]));
    assert!(gateway.output().contains(warning), "{}", gateway.output());
    Ok(())
}
