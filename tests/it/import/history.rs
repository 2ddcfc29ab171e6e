//! What was spent by day, model, key, tag and end user: it goes on here from where LiteLLM was.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;
use tallygate_tests::client::Client;

use super::database::Proxy;
use super::{import, secret};

async fn spend_of(operator: &Client, name: &str) -> Result<Value> {
    operator.get(&format!("/key/info?key={}", secret(name))).await?.expect(200)?.at("/info/spend")
}

#[tokio::test]
async fn it_is_told_what_would_be_carried_over_and_what_not_with_its_sum() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let dry = import(&proxy.gateway, &["--database-url", &url]).await?;
    for said in [
        "history by day: 4 rows, 3.125 dollars: would be carried over",
        "history by end user: 2 rows, 1.00 dollars: would be carried over",
        "history by tag: 2 rows, 1.25 dollars: would be carried over",
        "not carried over: history by day: 2 rows, 3.375 dollars: their keys are not here",
        "not carried over: history by day: 1 rows, 0.0625 dollars: what they name cannot be a name here",
        "not carried over: key free: of the 3.00 dollars that it spent the history tells 2.50",
        "not carried over: end user customer 3: of the 2.00 dollars that it spent the history tells 0.00",
    ] {
        assert!(dry.output.contains(said), "{said}: {}", dry.output);
    }
    assert_eq!(operator.get("/global/spend").await?.at("/spend")?, json!(0.0), "a dry run changes nothing");
    Ok(())
}

#[tokio::test]
async fn it_is_in_all_sums_and_in_what_keys_teams_tags_and_end_users_spent() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    let said = "history by day: 4 rows, 3.125 dollars, 4 of them new or more: carried over";
    assert!(ended.output.contains(said), "{}", ended.output);
    let get = async |path: &str| operator.get(path).await?.expect(200)?.json();
    assert_eq!(get("/global/spend").await?["spend"], json!(3.125));
    assert_eq!(spend_of(&operator, "FREE").await?, json!(2.5));
    assert_eq!(spend_of(&operator, "ANN").await?, json!(2.25), "what counts in the open window of its budget");
    let days = get("/spend/logs?start_date=2026-11-19&end_date=2026-11-21").await?;
    let of_days: Vec<_> = days.as_array().into_iter().flatten().map(|day| (&day["startTime"], &day["spend"])).collect();
    assert_eq!(
        of_days,
        [
            (&json!("2026-11-19"), &json!(0.5)),
            (&json!("2026-11-20"), &json!(2.375)),
            (&json!("2026-11-21"), &json!(0.25))
        ],
        "{days}"
    );
    let free = KeyHash::of_secret(&secret("FREE")).to_string();
    assert_eq!((&days[1][&free], &days[1]["models"]["own"]), (&json!(1.75), &json!(0.625)), "{days}");
    let activity = get("/user/daily/activity?start_date=2026-11-20&end_date=2026-11-20").await?;
    let gpt = &activity["results"][0]["breakdown"]["models"]["gpt-4o"]["metrics"];
    let expected = [
        ("spend", json!(1.75)),
        ("prompt_tokens", json!(1100)),
        ("completion_tokens", json!(440)),
        ("cache_read_input_tokens", json!(200)),
        ("cache_creation_input_tokens", json!(30)),
        ("successful_requests", json!(10)),
        ("failed_requests", json!(1)),
    ];
    for (name, value) in expected {
        assert_eq!(gpt[name], value, "{name}: {activity}");
    }
    let providers = get("/global/spend/provider?start_date=2026-11-01&end_date=2026-11-30").await?;
    for (provider, usd) in [("openai", 2.25), ("openai-compatible", 0.625), ("unknown", 0.25)] {
        let row = json!({ "provider": provider, "spend": usd });
        assert!(providers.as_array().is_some_and(|rows| rows.contains(&row)), "{provider}: {providers}");
    }
    let tags = get("/spend/tags").await?;
    assert_eq!(tags, json!([{ "individual_request_tag": "prod", "log_count": 3, "total_spend": 1.25 }]));
    let customers = operator.post("/global/spend/end_users", &json!({})).await?.expect(200)?.json()?;
    let mut names: Vec<_> = customers.as_array().into_iter().flatten().map(|row| row["end_user"].clone()).collect();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, [json!("customer 2"), json!("passer-by")], "{customers}");
    Ok(())
}

#[tokio::test]
async fn run_again_it_adds_what_came_since_and_nothing_twice_and_lowers_nothing() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let run = async || import(&proxy.gateway, &["--database-url", &url, "--apply"]).await;
    let set = async |usd: &str| {
        let update = format!("UPDATE \"LiteLLM_DailyUserSpend\" SET \"spend\" = {usd} WHERE \"id\" = 'u-1'");
        proxy.database.run(&update).await
    };
    run().await?;
    let again = run().await?;
    assert!(!again.output.contains("history by day: 4 rows"), "{}", again.output);
    assert_eq!(spend_of(&operator, "FREE").await?, json!(2.5));
    set("2.5").await?;
    let more = run().await?;
    let said = "history by day: 4 rows, 4.125 dollars, 1 of them new or more: carried over";
    assert!(more.output.contains(said), "{}", more.output);
    assert_eq!(spend_of(&operator, "FREE").await?, json!(3.5));
    set("1").await?;
    run().await?;
    assert_eq!(spend_of(&operator, "FREE").await?, json!(3.5));
    Ok(())
}

#[tokio::test]
async fn a_key_that_was_given_another_secret_here_keeps_its_history() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let run = async || import(&proxy.gateway, &["--database-url", &url, "--apply"]).await;
    run().await?;
    let path = format!("/key/{}/regenerate", secret("FREE"));
    let new = operator.post(&path, &json!({ "new_key": "sk-another-secret-0123456789" })).await?.expect(200)?;
    assert_eq!(new.at("/key")?, json!("sk-another-secret-0123456789"));
    proxy.database.run("UPDATE \"LiteLLM_DailyUserSpend\" SET \"spend\" = 2.5 WHERE \"id\" = 'u-1'").await?;
    let again = run().await?;
    let spend = operator.get("/key/info?key=sk-another-secret-0123456789").await?.expect(200)?.at("/info/spend")?;
    assert_eq!(spend, json!(3.5), "{}", again.output);
    Ok(())
}

#[tokio::test]
async fn versions_that_sum_nothing_up_are_read_from_their_log_and_columns_may_be_missing() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    for table in ["DailyUserSpend", "DailyEndUserSpend", "DailyTagSpend"] {
        proxy.database.run(&format!("DROP TABLE \"LiteLLM_{table}\"")).await?;
    }
    for column in ["status", "model_group", "request_tags", "custom_llm_provider"] {
        proxy.database.run(&format!("ALTER TABLE \"LiteLLM_SpendLogs\" DROP COLUMN \"{column}\"")).await?;
    }
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    let said = "history by day: 3 rows, 9.625 dollars, 3 of them new or more: carried over";
    assert!(ended.output.contains(said), "{}", ended.output);
    assert_eq!(spend_of(&operator, "FREE").await?, json!(9.625));
    assert_eq!(operator.get("/spend/tags").await?.expect(200)?.json()?, json!([]));
    proxy.database.run("DROP TABLE \"LiteLLM_SpendLogs\"").await?;
    let none = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    assert!(!none.output.contains("history by"), "{}", none.output);
    Ok(())
}
