//! `/model/new` and what is read of models.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::Upstream;

use super::{assert_envelope, assert_refused, gateway, generate, position, text};
use crate::scene::{chat, command, lines};

fn model(upstream: &Upstream, name: &str) -> Value {
    json!({ "model_name": name, "litellm_params": {
        "model": "openai/upstream-model", "api_base": upstream.url(), "api_key": "sk-canary-raw",
        "input_cost_per_token": 1e-9, "output_cost_per_token": 2e-9, "rpm": 100, "timeout": 30,
    }, "model_info": { "provider": "mine", "max_tokens": 500, "nested": {"a": [1]} } })
}

#[tokio::test]
async fn a_registered_model_is_called_with_its_key_and_shown_without() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let answer = operator.post("/model/new", &model(&upstream, "mine/m")).await?.expect(200)?;
    assert_eq!(answer.header("x-tallygate-position"), Some(&*position(&operator).await?.to_string()));
    let row = answer.json()?;
    assert_eq!((&row["model_name"], &row["model_id"]), (&json!("mine/m"), &row["model_info"]["id"]));
    assert_eq!((&row["model_info"]["provider"], &row["model_info"]["nested"]), (&json!("mine"), &json!({"a": [1]})));
    assert_eq!((&row["model_info"]["db_model"], &row["litellm_params"]["api_key"]), (&json!(true), &json!("***")));
    let key = text(&generate(&operator, json!({ "models": ["mine/m"], "max_budget": 1 })).await?, "key");
    gateway.caller(&key)?.post("/v1/chat/completions", &chat("mine/m")).await?.expect(200)?;
    let sent = upstream.requests().remove(0);
    assert_eq!(
        (sent.header("authorization"), sent.model()),
        (Some("Bearer sk-canary-raw"), Some("upstream-model".to_owned()))
    );
    let info = operator.get("/model/info").await?.expect(200)?;
    let entry = info.at("/data/0")?;
    assert_eq!(
        (&entry["model_info"]["input_cost_per_token"], &entry["model_info"]["max_output_tokens"]),
        (&json!(1e-9), &json!(500))
    );
    assert_eq!(
        (&entry["litellm_params"]["rpm"], &entry["litellm_params"]["use_in_pass_through"]),
        (&json!(100), &json!(false))
    );
    let group = operator.get("/model_group/info?model_group=mine%2Fm").await?.expect(200)?.at("/data/0")?;
    assert_eq!(
        (&group["providers"], &group["output_cost_per_token"], &group["rpm"]),
        (&json!(["openai"]), &json!(2e-9), &json!(100))
    );
    let log = format!("{:?}", lines(gateway.data(), "control")?);
    for (place, shown) in [("row", row.to_string()), ("info", info.text()), ("log", log), ("output", gateway.output())]
    {
        assert!(!shown.contains("canary"), "{place}: {shown}");
    }
    Ok(())
}

#[tokio::test]
async fn a_variable_is_named_and_its_value_sent_to_the_upstream_alone() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let mut body = model(&upstream, "m");
    body["litellm_params"]["api_key"] = json!("os.environ/LITELLM_OPENAI_API_KEY");
    let row = operator.post("/model/new", &body).await?.expect(200)?;
    assert_eq!(row.at("/litellm_params/api_key")?, "os.environ/LITELLM_OPENAI_API_KEY");
    gateway.operator()?.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer sk-canary-openai"));
    let info = operator.get("/v1/model/info").await?.expect(200)?;
    assert!(info.text().contains("os.environ/LITELLM_OPENAI_API_KEY") && !info.text().contains("canary"));
    Ok(())
}

#[tokio::test]
async fn the_same_again_adds_nothing_and_anything_else_shares_the_traffic() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let body = model(&upstream, "m");
    let first = operator.post("/model/new", &body).await?.expect(200)?.json()?;
    let before = position(&operator).await?;
    let again = operator.post("/model/new", &body).await?.expect(200)?;
    assert_eq!((again.json()?, position(&operator).await?), (first.clone(), before.clone()));
    assert_eq!(again.header("x-tallygate-position"), Some(&*before.to_string()));
    let mut second = body.clone();
    second["litellm_params"]["model"] = json!("openai/second");
    operator.post("/model/new", &second).await?.expect(200)?;
    let mut other_key = body.clone();
    other_key["litellm_params"]["api_key"] = json!("sk-other");
    let third = operator.post("/model/new", &other_key).await?.expect(200)?;
    assert_ne!(third.at("/model_id")?, first["model_id"]);
    let data = operator.get("/model/info").await?.at("/data")?;
    assert_eq!(data.as_array().map(Vec::len), Some(3));
    assert_eq!(operator.get("/model_group/info").await?.at("/data")?.as_array().map(Vec::len), Some(1));
    for _ in 0..40 {
        operator.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    }
    let models: Vec<_> = upstream.requests().iter().filter_map(|request| request.model()).collect();
    assert!(["upstream-model", "second"].iter().all(|name| models.iter().any(|model| model == name)), "{models:?}");
    Ok(())
}

#[tokio::test]
async fn many_registrations_of_one_name_at_once_make_one_model() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let tasks = (0..8).map(|n| {
        let (operator, mut body) = (operator.clone(), model(&upstream, "m"));
        body["litellm_params"]["model"] = json!(format!("openai/u{}", n % 4));
        tokio::spawn(async move { operator.post("/model/new", &body).await?.expect(200) })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    assert_eq!(operator.get("/model_group/info").await?.at("/data")?.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_chosen_id_is_one_deployments() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let mut body = model(&upstream, "m");
    body["model_info"]["id"] = json!(7);
    assert_eq!(operator.post("/model/new", &body).await?.expect(200)?.at("/model_id")?, "7");
    let before = position(&operator).await?;
    operator.post("/model/new", &body).await?.expect(200)?;
    body["litellm_params"]["weight"] = json!(9);
    let answer = operator.post("/model/new", &body).await?;
    assert_envelope(&answer)?;
    assert_eq!((answer.status, answer.at("/error/type")?), (409, json!("auth_error")));
    assert!(answer.at("/error/message")?.as_str().is_some_and(|text| text.starts_with("Failed to add model to db.")));
    assert_eq!(position(&operator).await?, before);
    let one = operator.get("/model/info?litellm_model_id=7").await?.expect(200)?;
    assert_eq!(one.at("/data/0/model_name")?, "m");
    let none = operator.get("/model/info?litellm_model_id=8").await?;
    assert_eq!((none.status, none.at("/detail/error")?), (400, json!("Model id = 8 not found on litellm proxy")));
    Ok(())
}

#[tokio::test]
async fn a_key_is_told_of_the_models_that_it_may_call_and_of_no_network() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    command(&gateway, "RegisterRealm", json!({ "realm": "r", "models": "all" })).await?.expect(200)?;
    for name in ["a", "b"] {
        operator.post("/model/new", &model(&upstream, name)).await?.expect(200)?;
    }
    let mut tenants = model(&upstream, "c");
    tenants["model_info"]["team_id"] = json!("r");
    assert_eq!(operator.post("/model/new", &tenants).await?.expect(200)?.at("/model_info/team_id")?, "r");
    let names = |terms: Value| {
        let (operator, gateway) = (operator.clone(), &gateway);
        async move {
            let key = text(&generate(&operator, terms).await?, "key");
            let answer = gateway.caller(&key)?.get("/model/info").await?.expect(200)?;
            assert!(!["127.0.0.1", "api_key"].iter().any(|shown| answer.text().contains(shown)), "{}", answer.text());
            let data = answer.at("/data")?;
            anyhow::Ok(data.as_array().into_iter().flatten().map(|entry| text(entry, "model_name")).collect::<Vec<_>>())
        }
    };
    assert_eq!(names(json!({ "models": ["b"] })).await?, ["b"]);
    assert_eq!(names(json!({})).await?, ["a", "b"]);
    assert_eq!(names(json!({ "team_id": "r" })).await?, ["a", "b", "c"]);
    assert_eq!(names(json!({ "models": ["no-default-models"] })).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_field_and_the_log_stays() -> Result<()> {
    let gateway = gateway().await?;
    let cases: [(&str, u16, &str); 20] = [
        ("{}", 422, "model_name"),
        (r#"{"model_name":"m"}"#, 422, "litellm_params"),
        (r#"{"model_name":"m","litellm_params":{}}"#, 422, "litellm_params.model"),
        (r#"{"model_name":7,"litellm_params":{"model":"gpt-5"}}"#, 422, "model_name"),
        (r#"{"model_name":"a\nb","litellm_params":{"model":"gpt-5"}}"#, 400, "model_name"),
        (r#"{"model_name":"m","litellm_params":{"model":"nobody/x"}}"#, 400, "litellm_params.custom_llm_provider"),
        (r#"{"model_name":"m","litellm_params":{"model":"who"}}"#, 400, "litellm_params.model"),
        (r#"{"model_name":"m","litellm_params":{"model":"x","api_base":"ftp://x"}}"#, 400, "litellm_params.api_base"),
        (
            r#"{"model_name":"m","litellm_params":{"model":"x","api_base":"http://169.254.169.254/v1"}}"#,
            400,
            "litellm_params.api_base",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","api_key":"os.environ/LITELLM_MASTER_KEY"}}"#,
            400,
            "litellm_params.api_key",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","api_key":"os.environ/TALLYGATE_MASTER_KEY"}}"#,
            400,
            "litellm_params.api_key",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","api_key":"os.environ/LITELLM_SALT_KEY"}}"#,
            400,
            "litellm_params.api_key",
        ),
        (r#"{"model_name":"m","litellm_params":{"model":"gpt-5","api_key":"sk-1\n"}}"#, 400, "litellm_params.api_key"),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","input_cost_per_token":-1}}"#,
            400,
            "litellm_params.input_cost_per_token",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","output_cost_per_token":1e309}}"#,
            400,
            "litellm_params.output_cost_per_token",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5","aws_secret_access_key":"s"}}"#,
            400,
            "litellm_params.aws_secret_access_key",
        ),
        (r#"{"model_name":"m","litellm_params":{"model":"gpt-5","weight":1000001}}"#, 400, "litellm_params.weight"),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5"},"model_info":{"access_groups":["g"]}}"#,
            400,
            "model_info.access_groups",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5"},"model_info":{"team_id":"nobody"}}"#,
            400,
            "model_info.team_id",
        ),
        (
            r#"{"model_name":"m","litellm_params":{"model":"gpt-5"},"model_info":{"input_cost_per_second":1}}"#,
            400,
            "model_info.input_cost_per_second",
        ),
    ];
    assert_refused(&gateway.operator()?, "/model/new", &cases).await
}
