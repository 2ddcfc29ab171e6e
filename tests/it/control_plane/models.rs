//! The registry of models.

use anyhow::Result;
use serde_json::json;

use super::{Plane, refusal, text};

#[tokio::test]
async fn a_model_is_registered_by_the_guides_words_and_called_by_its_public_name() -> Result<()> {
    let plane = Plane::start().await?;
    let body = json!({
        "name": "Llama 3 (local)", "provider": "openai-compatible", "modelId": "llama3-8b",
        "baseUrl": plane.upstream.url(), "apiKey": "sk-canary-of-a-provider",
    });
    let made = plane.operator()?.post("/api/models", &body).await?.expect(201)?;
    let model = made.at("/model")?;
    assert_eq!(
        (&model["name"], &model["provider"], &model["modelId"], &model["litellmModelName"]),
        (
            &json!("Llama 3 (local)"),
            &json!("openai-compatible"),
            &json!("llama3-8b"),
            &json!("openai-compatible/llama-3-local")
        )
    );
    assert_eq!((&model["hasApiKey"], &model["baseUrl"]), (&json!(true), &json!(plane.upstream.url())));
    let id = text(&made, "/model/id")?;
    for path in ["/api/models".to_owned(), format!("/api/models/{id}"), "/api/realms/default".to_owned()] {
        let shown = plane.operator()?.get(&path).await?.expect(200)?.text();
        assert!(shown.contains("openai-compatible/llama-3-local") && !shown.contains("canary"), "{shown}");
    }
    assert!(!plane.log()?.iter().any(|line| line.to_string().contains("canary")));
    let key = plane.operator()?.post("/key/generate", &json!({})).await?.expect(200)?;
    plane.call(&text(&key, "/key")?, "openai-compatible/llama-3-local").await?.expect(200)?;
    let sent = &plane.upstream.requests()[0];
    assert_eq!(sent.model().as_deref(), Some("llama3-8b"));
    assert_eq!(sent.header("authorization"), Some("Bearer sk-canary-of-a-provider"));
    Ok(())
}

#[tokio::test]
async fn a_model_is_changed_and_taken_out_of_service_with_its_grants() -> Result<()> {
    let plane = Plane::start().await?;
    let (model, realm) = (plane.model("one").await?, plane.realm("Engineering").await?);
    plane.grant(&model, &realm).await?;
    let operator = plane.operator()?;
    let path = format!("/api/models/{model}");
    let revised = operator.patch(&path, &json!({ "name": "Number one", "modelId": "another" })).await?.expect(200)?;
    let shown = ["name", "modelId", "litellmModelName"].map(|name| revised.at(&format!("/model/{name}")));
    let shown = shown.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(shown, [json!("Number one"), json!("another"), json!("openai-compatible/one")]);
    operator.delete(&path).await?.expect(200)?;
    assert_eq!(refusal(&operator.get(&path).await?)?, (404, json!("model_not_registered")));
    assert_eq!(refusal(&operator.delete(&path).await?)?, (404, json!("model_not_registered")));
    let grant = json!({ "realmId": realm });
    let retired = operator.post(&format!("{path}/realms"), &grant).await?;
    assert_eq!(refusal(&retired)?, (404, json!("model_not_registered")), "what is retired cannot be granted");
    // Whoever takes the name again is not granted by it.
    let again = plane.model("one").await?;
    assert_ne!(again, model);
    let realms = operator.get(&format!("/api/models/{again}/realms")).await?.expect(200)?.at("/realms")?;
    assert!(!realms.to_string().contains(&realm), "{realms}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_by_its_field_and_leaves_the_log_as_it_was() -> Result<()> {
    let plane = Plane::start().await?;
    let operator = plane.operator()?;
    plane.model("taken").await?;
    let before = plane.log()?.len();
    let whole = json!({
        "name": "n", "provider": "openai-compatible", "modelId": "m", "baseUrl": plane.upstream.url(),
    });
    for (name, value, param) in [
        ("name", json!("***"), "name"),
        ("name", json!("x".repeat(10_000)), "name"),
        ("provider", json!("nobody"), "provider"),
        ("provider", json!(null), "provider"),
        ("modelId", json!(null), "modelId"),
        ("modelId", json!(""), "modelId"),
        ("baseUrl", json!("ftp://a"), "baseUrl"),
        ("baseUrl", json!("http://169.254.169.254/"), "baseUrl"),
        ("baseUrl", json!(null), "baseUrl"),
        ("apiKey", json!("os.environ/TALLYGATE_MASTER_KEY"), "apiKey"),
        ("apiKey", json!("sk-canary\n"), "apiKey"),
        ("inputCostPerToken", json!(-1), "inputCostPerToken"),
    ] {
        let mut body = whole.clone();
        body[name] = value;
        let answer = operator.post("/api/models", &body).await?;
        assert_eq!((answer.status, answer.at("/error/param")?), (400, json!(param)), "{body}: {}", answer.text());
        assert!(!answer.text().contains("canary"));
    }
    let mut taken = whole;
    taken["name"] = json!("Taken");
    let answer = operator.post("/api/models", &taken).await?;
    assert_eq!(refusal(&answer)?, (409, json!("model_already_registered")));
    assert_eq!(plane.log()?.len(), before);
    Ok(())
}
