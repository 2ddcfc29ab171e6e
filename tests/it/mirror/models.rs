//! Models: made, changed and taken out there as they are here.

use anyhow::Result;
use serde_json::json;

use super::{Mirrored, reason};
use crate::scene::chat;

#[tokio::test]
async fn a_model_is_made_changed_and_taken_out_there_as_it_is_here() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.change("/model/new", scene.model("one", "deployment-1")).await?;
    // The proxy calls the upstream with the key that was sealed here.
    scene.there.operator()?.post("/v1/chat/completions", &chat("one")).await.map(drop)?;
    let caller = scene.there.operator()?.post("/key/generate", &json!({ "key": "sk-caller" })).await?.expect(200)?;
    assert_eq!(caller.at("/key")?, "sk-caller");
    scene.there.caller("sk-caller")?.post("/v1/chat/completions", &chat("one")).await?.expect(200)?;
    let calls = scene.upstream.requests();
    let last = calls.last().map(|call| (call.header("authorization").map(str::to_owned), call.model()));
    assert_eq!(last, Some((Some("Bearer sk-canary-of-upstream".to_owned()), Some("upstream-one".to_owned()))));
    // A parameter changes by a merge, and one that is gone by making the entry anew.
    let update = json!({ "model_info": { "id": "deployment-1" }, "litellm_params": { "model": "custom_openai/other", "weight": 3, "rpm": 7 } });
    scene.change("/model/update", update).await?;
    let there = scene.read_there("/model/info?litellm_model_id=deployment-1").await?.expect(200)?;
    assert_eq!(there.at("/data/0/litellm_params/model")?, "custom_openai/other");
    assert_eq!(
        (there.at("/data/0/litellm_params/weight")?, there.at("/data/0/litellm_params/rpm")?),
        (json!(3), json!(7))
    );
    scene.change("/model/delete", json!({ "id": "deployment-1" })).await?;
    assert_eq!(scene.read_there("/model/info?litellm_model_id=deployment-1").await?.status, 400);
    assert_eq!(scene.in_step().await?["not_mirrored_count"], 0);
    Ok(())
}

#[tokio::test]
async fn what_a_deployment_has_no_more_is_taken_away_there_too() -> Result<()> {
    let scene = Mirrored::start().await?;
    let model = json!({ "model": "0199aaaa-0000-7000-8000-000000000001", "name": "two", "deployments": [{
        "id": "deployment-2", "vendor": "openai-compatible", "upstream_model": "m", "base_url": scene.upstream.url(),
        "params": { "model": "custom_openai/m", "rpm": 5 }, "info": { "note": "old" },
    }]});
    crate::scene::command(&scene.here, "RegisterModel", model).await?.expect(200)?;
    scene.in_step().await?;
    let path = "/model/info?litellm_model_id=deployment-2";
    assert_eq!(scene.read_there(path).await?.expect(200)?.at("/data/0/litellm_params/rpm")?, 5);
    let revise = json!({ "model": "0199aaaa-0000-7000-8000-000000000001", "deployment": "deployment-2",
        "params": { "model": "custom_openai/m" }, "info": { "note": "new" } });
    crate::scene::command(&scene.here, "ReviseDeployment", revise).await?.expect(200)?;
    scene.in_step().await?;
    let there = scene.read_there(path).await?.expect(200)?;
    assert!(there.at("/data/0/litellm_params")?.get("rpm").is_none(), "{}", there.text());
    assert_eq!(there.at("/data/0/model_info/note")?, "new");
    Ok(())
}

#[tokio::test]
async fn a_variable_is_told_by_its_name_and_a_secret_stands_in_no_file_and_no_line() -> Result<()> {
    let scene = Mirrored::start().await?;
    let mut model = scene.model("three", "deployment-3");
    model["litellm_params"]["api_key"] = json!("os.environ/LITELLM_OPENAI_API_KEY");
    scene.change("/model/new", model).await?;
    let there = scene.read_there("/model/info?litellm_model_id=deployment-3").await?.expect(200)?;
    assert_eq!(there.at("/data/0/litellm_params/api_key")?, "os.environ/LITELLM_OPENAI_API_KEY");
    scene.relay.answers("/model/new", "", 422, r#"{"detail":[{"msg":"wrong","input":"sk-canary-of-upstream"}]}"#);
    scene.change("/model/new", scene.model("four", "deployment-4")).await?;
    let told = scene.in_step().await?;
    assert_eq!(reason(&told, "model deployment-4").as_deref(), Some("the proxy refuses it (status 422): wrong"));
    let kept = std::fs::read_to_string(scene.here.data().join("mirror.json"))?;
    assert!(kept.contains("deployment-4") && !kept.contains("canary"), "{kept}");
    assert!(!scene.here.output().contains("canary") && !told.to_string().contains("canary"));
    Ok(())
}
