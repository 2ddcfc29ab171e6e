//! A file that changes while the gateway runs, and while it does not.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Declaring, FILE, LOCALS};

#[tokio::test]
async fn a_changed_model_is_revised_a_new_one_added_and_one_that_is_gone_retired_without_a_restart() -> Result<()> {
    let declaring = Declaring::start(FILE).await?;
    let before = declaring.models().await?;
    let caller = declaring.caller().await?;
    let file = FILE.replace("0.00000125", "0.000002").replace("the large one", "dearer").replace(
        "  - model_name: local\n    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, api_key: sk-canary-two}\n",
        "  - model_name: new\n    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}\n",
    );
    declaring.write(&file)?;
    for _ in 0..1_500 {
        if declaring.names().await?.contains(&"new".to_owned()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(declaring.names().await?, ["local", "new", "openai/gpt-5"]);
    let models = declaring.models().await?;
    let large = |models: &[serde_json::Value]| {
        models.iter().find(|model| model["model_name"] == "openai/gpt-5").cloned().context("not there")
    };
    let (was, is) = (large(&before)?, large(&models)?);
    assert_eq!(was["model_info"]["id"], is["model_info"]["id"], "it is the same deployment");
    assert_eq!(
        (&is["model_info"]["input_cost_per_token"], &is["model_info"]["description"]),
        (&json!(0.000002), &json!("dearer"))
    );
    assert_eq!(models.iter().filter(|model| model["model_name"] == "local").count(), 1);
    caller.post("/v1/chat/completions", &crate::scene::chat("new")).await?.expect(200)?;
    declaring.write(&FILE.replace(LOCALS, ""))?;
    declaring.gateway.process().signal("HUP").await?;
    declaring.until(|state| state["deployments"] == 1).await?;
    assert_eq!(declaring.names().await?, ["openai/gpt-5"]);
    assert_eq!(caller.post("/v1/chat/completions", &crate::scene::chat("local")).await?.status, 400);
    let stored = declaring.control()?.into_iter().filter(|line| line["type"] == "credential.stored").count();
    let removed = declaring.control()?.into_iter().filter(|line| line["type"] == "credential.removed").count();
    assert_eq!((stored, removed), (3, 2), "keys that nothing uses are forgotten");
    Ok(())
}

#[tokio::test]
async fn a_bad_file_leaves_the_last_good_one_in_force_and_says_why_until_it_is_mended() -> Result<()> {
    let declaring = Declaring::start(FILE).await?;
    let log = declaring.control()?;
    for (bad, said) in [
        ("model_list: [", ""),
        ("model_list:\n  - {model_name: a, litellm_params: {model: openai/x, max_budget: 1}}\n", "max_budget"),
        ("router_settings: {routing_strategy: best}\n", "routing_strategy"),
    ] {
        declaring.write(bad)?;
        declaring.gateway.process().signal("HUP").await?;
        let state =
            declaring.until(|state| state["problems"].to_string().contains(said) && state["state"] == "refused");
        assert_eq!(state.await?["deployments"], 3, "{bad}");
        let ready = declaring.operator()?.get("/health/readiness").await?.expect(200)?;
        assert_eq!(ready.at("/tallygate/configuration")?, "refused");
        assert_eq!(declaring.names().await?, ["local", "openai/gpt-5"]);
    }
    assert_eq!(declaring.control()?, log);
    let metrics = declaring.operator()?.get("/metrics").await?.text().to_owned();
    assert!(metrics.contains("tallygate_configuration_refused 1"), "{metrics}");
    assert!(declaring.gateway.output().contains("what was before stays"), "{}", declaring.gateway.output());
    declaring.write(FILE)?;
    let state = declaring.until(|state| state["state"] == "in_force").await?;
    assert_eq!(state["problems"], json!([]));
    let metrics = declaring.operator()?.get("/metrics").await?.text().to_owned();
    assert!(metrics.contains("tallygate_configuration_refused 0"), "{metrics}");
    assert_eq!(declaring.control()?, log);
    Ok(())
}

#[tokio::test]
async fn another_key_is_another_credential_and_a_model_that_moves_keeps_its_id() -> Result<()> {
    let file = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/x, api_base: UPSTREAM, api_key: sk-canary-one}\n    model_info: {id: mine}\n";
    let declaring = Declaring::start(file).await?;
    declaring.write(&file.replace("sk-canary-one", "sk-canary-two"))?;
    let declaring = declaring.restart().await?;
    let caller = declaring.caller().await?;
    caller.post("/v1/chat/completions", &crate::scene::chat("a")).await?.expect(200)?;
    assert_eq!(declaring.upstream.requests()[0].header("authorization"), Some("Bearer sk-canary-two"));
    declaring.write(&file.replace("model_name: a", "model_name: b"))?;
    let declaring = declaring.restart().await?;
    assert_eq!(declaring.names().await?, ["b"]);
    assert_eq!(declaring.models().await?[0]["model_info"]["id"], "mine");
    Ok(())
}
