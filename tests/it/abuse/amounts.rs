//! Numbers that are no amounts: of money, of time, of tokens.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;

use crate::scene::{KeyTerms, MODEL, Scene, chat, uuid};

/// As JSON texts, since most of them are none that a library would write.
const NO_MONEY: [&str; 14] = [
    "-1",
    "-0.5",
    "-1e-9",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e309",
    "1e400",
    "9223372036854775808",
    "1e-10",
    "0.12345678901",
    "\"5\"",
    "[5]",
    "true",
];

/// A limit of a budget in a command, in whole nano-dollars.
const NO_NANO_DOLLARS: [&str; 10] =
    ["-1", "1.5", "1e3", "NaN", "1e309", "9223372036854775808", "\"5\"", "null", "[]", "true"];

/// Times that are none, or too long to be meant.
const NO_DURATIONS: [&str; 10] =
    ["0d", "0s", "-1d", "1.5d", "d", "999999999999d", "1000000000000d", "99999999999999999999s", " 1d", "1 fortnight"];

const NO_PERIODS: [&str; 8] = [
    r#"{"seconds":0}"#,
    r#"{"seconds":-1}"#,
    r#"{"seconds":1e400}"#,
    r#"{"seconds":86400000000000000}"#,
    r#"{"months":0}"#,
    r#"{"months":1000000000000}"#,
    r#"{"days":1}"#,
    r#""weekly""#,
];

async fn refused(operator: &Client, path: &str, body: String) -> Result<(u16, String)> {
    let answer = operator.post_bytes(path, "application/json", body.clone()).await?;
    anyhow::ensure!([400, 422].contains(&answer.status), "{path} {body}: {} {}", answer.status, answer.text());
    let code = answer.header("x-tallygate-error").unwrap_or_default().to_owned();
    anyhow::ensure!(answer.at("/error/tallygate/code")? == *code, "{body}: {code}");
    Ok((answer.status, code))
}

#[tokio::test]
async fn what_is_no_amount_of_money_or_time_makes_no_key() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, before) = (scene.gateway.operator()?, scene.logged().await?);
    for amount in NO_MONEY {
        let body = format!("{{\"max_budget\":{amount}}}");
        let (_, code) = refused(&operator, "/key/generate", body).await?;
        assert!(["parameter_invalid", "body_invalid"].contains(&code.as_str()), "{amount}: {code}");
    }
    for duration in NO_DURATIONS {
        for body in [json!({ "duration": duration }), json!({ "max_budget": 1, "budget_duration": duration })] {
            let (_, code) = refused(&operator, "/key/generate", body.to_string()).await?;
            assert!(
                ["parameter_invalid", "key_expiry_in_past", "budget_period_invalid"].contains(&code.as_str()),
                "{body}: {code}"
            );
        }
    }
    let names: Vec<_> = scene.facts_since(&before).await?.iter().map(|line| line["data"]["kind"].clone()).collect();
    assert!(names.iter().all(|kind| *kind == "Together" || *kind == "IssueKey"), "only whole commands: {names:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_amount_in_a_command_is_refused_and_recorded() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, before) = (scene.gateway.operator()?, scene.logged().await?);
    let mut expected = Vec::new();
    let limits = NO_NANO_DOLLARS.map(|limit| (r#""total""#, limit));
    for (period, limit) in limits.into_iter().chain(NO_PERIODS.map(|period| (period, "5"))) {
        let body = format!(
            r#"{{"id":"{}","type":"SetBudget","data":{{"scope":"gateway","limits":[{{"period":{period},"limit_nano_usd":{limit}}}]}}}}"#,
            uuid()
        );
        let (status, code) = refused(&operator, "/api/commands", body).await?;
        assert_eq!(status, 400);
        assert!(
            ["command_malformed", "budget_negative", "budget_period_invalid"].contains(&code.as_str()),
            "{limit} {period}: {code}"
        );
        expected.push((code, 0));
    }
    for price in ["-1", "1.5", "1e309", "\"5\""] {
        let body = format!(
            r#"{{"id":"{}","type":"RegisterModel","data":{{"model":"{}","name":"m","deployments":[{{"id":"d","vendor":"openai","upstream_model":"m","price":{{"input_pico_usd":{price},"output_pico_usd":1}}}}]}}}}"#,
            uuid(),
            uuid()
        );
        let (_, code) = refused(&operator, "/api/commands", body).await?;
        assert!(["command_malformed", "deployment_field_invalid"].contains(&code.as_str()), "{price}: {code}");
        expected.push((code, 0));
    }
    assert_eq!(scene.refusals_since(&before).await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_limit_of_output_bounds_the_hold_or_is_refused() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let (caller, before) = (scene.gateway.caller(&key.secret)?, scene.logged().await?);
    let mut refusals = 0;
    for fields in [
        r#""max_tokens":0"#,
        r#""max_tokens":-1"#,
        r#""max_tokens":1.5"#,
        r#""max_tokens":18446744073709551616"#,
        r#""max_tokens":"10""#,
        r#""max_completion_tokens":0"#,
        r#""max_tokens":10,"max_completion_tokens":20"#,
        r#""max_tokens":10,"max_tokens":20"#,
        r#""n":0"#,
        r#""n":-1"#,
        r#""n":1000"#,
        r#""n":1.5"#,
    ] {
        let body = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"x"}}],{fields}}}"#);
        let answer = caller.post_bytes("/v1/chat/completions", "application/json", body).await?;
        assert_eq!((answer.status, answer.header("x-tallygate-error")), (400, Some("parameter_invalid")), "{fields}");
        refusals += 1;
    }
    assert_eq!(scene.refusals_since(&before).await?, vec![("parameter_invalid".to_owned(), 400); refusals]);
    assert!(scene.upstream.requests().is_empty());
    for (fields, sent) in [(json!({}), 1_000), (json!({ "max_tokens": null }), 1_000), (json!({ "max_tokens": 7 }), 7)]
    {
        let mut body = chat(MODEL);
        body.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
        caller.post("/v1/chat/completions", &body).await?.expect(200)?;
        let upstreams = scene.upstream.requests().last().unwrap().json()?;
        assert_eq!(upstreams["max_tokens"], sent, "the upstream is told the limit that is held for: {fields}");
    }
    Ok(())
}

#[tokio::test]
async fn many_answers_are_held_for_each() -> Result<()> {
    let scene = Scene::start().await?;
    // 100 answer tokens cost 200 nano-dollars, and what the prompt can cost is some 600.
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_100), ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let mut body = chat(MODEL);
    (body["max_tokens"], body["n"]) = (json!(100), json!(3));
    let answer = caller.post("/v1/chat/completions", &body).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (422, json!("budget_exhausted")));
    let asked = answer.at("/error/tallygate/details/asked_nano_usd")?;
    assert!(asked.as_i64().is_some_and(|asked| asked >= 600), "{asked}");
    body["n"] = Value::Null;
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    Ok(())
}
