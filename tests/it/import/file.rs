//! From a configuration file: its models, once; unlike `--config` of the gateway, nobody keeps them in step.

use anyhow::Result;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::upstream::Upstream;

use super::import;

#[tokio::test]
async fn the_models_of_a_file_are_carried_over_and_can_be_changed_then() -> Result<()> {
    let (gateway, upstream) = (Gateway::start().await?, Upstream::start().await?);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("proxy_config.yaml");
    let text = format!(
        "model_list:\n  - model_name: a\n    litellm_params: {{model: openai/x, api_base: {}}}\ngeneral_settings: {{otel: true}}\n",
        upstream.url()
    );
    std::fs::write(&path, text)?;
    let path = path.to_string_lossy();
    let dry = import(&gateway, &["--config", &path]).await?;
    assert!(dry.output.contains("model a: would be carried over"), "{}", dry.output);
    assert!(dry.output.contains("line 4: warning: `general_settings.otel` is known"), "{}", dry.output);
    let operator = gateway.operator()?;
    assert_eq!(operator.get("/model/info").await?.at("/data")?, serde_json::json!([]));
    for _ in 0..2 {
        let ended = import(&gateway, &["--config", &path, "--apply"]).await?;
        assert!(ended.status.success(), "{}", ended.output);
    }
    let models = operator.get("/model/info").await?.expect(200)?.at("/data")?;
    assert_eq!(models.as_array().map(Vec::len), Some(1), "{models}");
    let id = crate::litellm::text(&models[0]["model_info"], "id");
    operator.post("/model/delete", &serde_json::json!({ "id": id })).await?.expect(200)?;
    Ok(())
}
