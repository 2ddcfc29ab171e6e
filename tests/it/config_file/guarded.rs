//! What is declared is changed in the file, unless the file says otherwise.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Declaring, FILE};

/// The deployment and the model of a name.
async fn of(declaring: &Declaring, name: &str) -> Result<(String, String)> {
    let models = declaring.models().await?;
    let found = models.iter().find(|model| model["model_name"] == name).context("not there")?;
    let deployment = crate::litellm::text(&found["model_info"], "id");
    let added =
        declaring.control()?.into_iter().find(|line| line["data"]["deployment"] == *deployment).context("none")?;
    Ok((deployment, crate::litellm::text(&added["data"], "model")))
}

#[tokio::test]
async fn a_change_of_what_is_declared_is_refused_by_every_door_with_where_it_is_declared() -> Result<()> {
    let declaring = Declaring::start(FILE).await?;
    let (deployment, model) = of(&declaring, "openai/gpt-5").await?;
    let operator = declaring.operator()?;
    let log = declaring.control()?;
    let command = |kind: &str, data: Value| json!({ "id": crate::scene::uuid(), "type": kind, "data": data });
    let budget = json!({ "scope": "gateway", "limits": [] });
    let remove = json!({ "model": model, "deployment": deployment });
    for (path, body, line) in [
        ("/model/update", json!({ "model_info": { "id": deployment }, "litellm_params": { "rpm": 5 } }), "line 2"),
        ("/model/delete", json!({ "id": deployment }), "line 2"),
        ("/api/commands", command("RetireModel", json!({ "model": model })), "line 2"),
        ("/api/commands", command("SetRouting", json!({ "model": model })), "line 2"),
        ("/api/commands", command("RevisePrice", json!({ "model": model, "deployment": deployment })), "line 2"),
        ("/api/commands", command("Together", json!([{ "type": "RemoveDeployment", "data": remove }])), "line 2"),
        ("/api/commands", command("SetBudget", budget), "line 16"),
    ] {
        let answer = operator.post(path, &body).await?.expect(409)?;
        assert_eq!(answer.at("/error/tallygate/code")?, "declared_in_file", "{path}: {}", answer.text());
        let message = answer.at("/error/message")?.to_string();
        assert!(message.contains(line) && message.contains("proxy_config.yaml"), "{path}: {message}");
    }
    assert_eq!(declaring.control()?, log);
    let body = json!({ "model_name": "openai/gpt-5", "litellm_params": { "model": "openai/x", "api_base": declaring.upstream.url() } });
    let own = operator.post("/model/new", &body).await?.expect(200)?.at("/model_id")?;
    operator.post("/model/delete", &json!({ "id": own })).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn with_store_model_in_db_others_change_what_is_declared_and_a_restart_keeps_it() -> Result<()> {
    let file = FILE.replace("general_settings:\n", "general_settings:\n  store_model_in_db: true\n");
    let declaring = Declaring::start(&file).await?;
    let (deployment, _) = of(&declaring, "openai/gpt-5").await?;
    let body = json!({ "model_info": { "id": deployment, "description": "mine" } });
    declaring.operator()?.post("/model/update", &body).await?.expect(200)?;
    let log = declaring.control()?;
    let declaring = declaring.restart().await?;
    assert_eq!(declaring.control()?, log);
    let models = declaring.models().await?;
    assert!(models.iter().any(|model| model["model_info"]["description"] == "mine"), "{models:?}");
    declaring.write(FILE)?;
    let declaring = declaring.restart().await?;
    let models = declaring.models().await?;
    assert!(models.iter().any(|model| model["model_info"]["description"] == "the large one"), "{models:?}");
    Ok(())
}
