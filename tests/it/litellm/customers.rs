//! `/customer/*`: those in whose name keys ask, their budgets, limits and blocks.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::Setup;

use super::{assert_refused, generate, text};
use crate::scene::{KeyTerms, MODEL, Scene, chat};

/// A chat in the name of an end user.
fn asking(end_user: &str) -> Value {
    let mut body = chat(MODEL);
    body["user"] = json!(end_user);
    body
}

async fn ask(caller: &Client, end_user: &str) -> Result<Answer> {
    caller.post("/v1/chat/completions", &asking(end_user)).await
}

async fn customer(operator: &Client, body: Value) -> Result<Value> {
    operator.post("/customer/new", &body).await?.expect(200)?.json()
}

async fn info(operator: &Client, end_user: &str) -> Result<Value> {
    operator.get(&format!("/customer/info?end_user_id={end_user}")).await?.expect(200)?.json()
}

/// The scope whose budget or rule refused.
fn by(answer: &Answer) -> Result<(u16, Value)> {
    Ok((answer.status, answer.at("/error/tallygate/details/scope")?))
}

#[tokio::test]
async fn the_budget_of_an_end_user_is_held_settled_and_refused_whatever_key_asks() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let made = customer(&operator, json!({ "user_id": "seven", "max_budget": 1, "budget_duration": "30d" })).await?;
    assert_eq!((&made["user_id"], &made["spend"], &made["blocked"]), (&json!("seven"), &json!(0.0), &json!(false)));
    assert_eq!(made["litellm_budget_table"]["max_budget"], json!(1.0));
    assert_eq!(made["litellm_budget_table"]["budget_duration"], "30d");
    let (one, other) = (scene.caller().await?, scene.caller().await?);
    for caller in [&one, &other] {
        ask(caller, "seven").await?.expect(200)?;
    }
    one.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let settled = scene.activity("request.settled", 3).await?;
    let cost = |fact: &Value| fact["cost_nano_usd"].as_i64().unwrap_or_default();
    let charged = |fact: &&Value| fact["charged"].as_array().is_some_and(|all| all[0]["scope"] == "end_user:seven");
    let spent: i64 = settled.iter().filter(charged).map(cost).sum();
    assert_eq!(settled.iter().filter(charged).count(), 2, "the one that named nobody charged no end user");
    let row = info(&operator, "seven").await?;
    let spend = row["spend"].as_f64().unwrap_or_default();
    assert!(spent > 0 && (spend * 1e9 - spent as f64).abs() < 0.5, "{row}, and {spent} were settled");
    let open = operator.get("/api/budgets?scope=end_user:seven").await?.expect(200)?.json()?;
    assert_eq!(open["budgets"][0]["account"]["scope"], "end_user:seven");
    operator.post("/customer/update", &json!({ "user_id": "seven", "max_budget": spend })).await?.expect(200)?;
    for caller in [&one, &other] {
        let refused = ask(caller, "seven").await?;
        assert_eq!(by(&refused)?, (422, json!("end_user:seven")));
        assert_eq!(refused.at("/error/type")?, "budget_exceeded");
        assert!(refused.at("/error/message")?.as_str().is_some_and(|text| text.contains("End User=seven")));
    }
    ask(&one, "eight").await?.expect(200)?;
    assert_eq!(scene.upstream.requests().len(), 4, "what is refused is never sent");
    Ok(())
}

#[tokio::test]
async fn a_header_names_an_end_user_before_the_body_does() -> Result<()> {
    let scene = Scene::with(Setup::new().arg("--end-user-header").arg("X-Person")).await?;
    let (operator, caller) = (scene.gateway.operator()?, scene.caller().await?);
    customer(&operator, json!({ "user_id": "seven", "max_budget": 0 })).await?;
    let status = async |header: Option<&str>, body: Value| -> Result<u16> {
        let caller = header.map_or(caller.clone(), |header| caller.clone().with_header(header, "seven"));
        Ok(caller.post("/v1/chat/completions", &body).await?.status)
    };
    for header in ["x-litellm-end-user-id", "x-litellm-customer-id", "x-person"] {
        assert_eq!(status(Some(header), asking("eight")).await?, 422, "{header}");
    }
    assert_eq!(status(Some("x-stranger"), asking("eight")).await?, 200, "that is no header of end users");
    for place in ["metadata", "litellm_metadata"] {
        let mut body = chat(MODEL);
        body[place] = json!({ "user_id": "seven", "user": "seven" });
        assert_eq!(status(None, body.clone()).await?, 422, "{place}");
        body["user"] = json!("nine");
        assert_eq!(status(None, body).await?, 200, "`user` goes before {place}");
    }
    // Clients of every dialect, and what has no such field at all.
    let gemini = json!({ "contents": [{ "parts": [{ "text": "hi" }] }] });
    let path = format!("/v1beta/models/{MODEL}:generateContent");
    let refused = caller.clone().with_header("x-person", "seven").post(&path, &gemini).await?;
    assert_eq!(refused.status, 429, "in Google's words: {}", refused.text());
    let settled = scene.activity("request.settled", 3).await?;
    let named: Vec<&Value> = settled.iter().map(|fact| &fact["end_user"]).collect();
    assert_eq!(named, ["eight", "nine", "nine"]);
    Ok(())
}

#[tokio::test]
async fn end_users_of_one_id_in_two_teams_are_two_and_one_of_an_organization_counts_below_it() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator
        .post("/organization/new", &json!({ "organization_id": "org", "organization_alias": "Org" }))
        .await?
        .expect(200)?;
    operator.post("/team/new", &json!({ "team_id": "red", "organization_id": "org" })).await?.expect(200)?;
    operator.post("/team/new", &json!({ "team_id": "blue" })).await?.expect(200)?;
    let mut callers = Vec::new();
    for team in ["red", "blue"] {
        let key = generate(&operator, json!({ "team_id": team })).await?;
        callers.push(scene.gateway.caller(&text(&key, "key"))?);
    }
    let budget = |team: &str, amount: i64| json!({ "user_id": "7", "team_id": team, "max_budget": amount });
    customer(&operator, budget("red", 0)).await?;
    customer(&operator, budget("blue", 1)).await?;
    assert_eq!(by(&ask(&callers[0], "7").await?)?, (422, json!("end_user@red:7")));
    ask(&callers[1], "7").await?.expect(200)?;
    let ambiguous = operator.get("/customer/info?end_user_id=7").await?;
    assert_eq!((ambiguous.status, ambiguous.at("/error/param")?), (400, json!("team_id")));
    let blue = operator.get("/customer/info?end_user_id=7&team_id=blue").await?.expect(200)?.json()?;
    assert!(blue["spend"].as_f64().is_some_and(|spend| spend > 0.0), "{blue}");
    customer(&operator, json!({ "user_id": "9", "organization_id": "org", "max_budget": 0 })).await?;
    assert_eq!(
        by(&ask(&callers[0], "9").await?)?,
        (422, json!("end_user@org:9")),
        "of the organization above the team"
    );
    ask(&callers[1], "9").await?.expect(200)?;
    let listed = operator.get("/customer/list").await?.expect(200)?.json()?;
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_blocked_end_user_is_refused_until_they_are_unblocked_and_the_key_goes_on() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, caller) = (scene.gateway.operator()?, scene.caller().await?);
    let named = json!({ "user_ids": ["7"] });
    let blocked = operator.post("/customer/block", &named).await?.expect(200)?.json()?;
    assert_eq!(blocked["blocked_users"][0]["blocked"], true, "whom nobody registered is registered for it");
    let refused = ask(&caller, "7").await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (400, json!("end_user_blocked")));
    assert_eq!(refused.at("/error/message")?, "User blocked from making LLM API Calls. User=7");
    let anthropic = json!({ "model": MODEL, "max_tokens": 9, "metadata": { "user_id": "7" },
                            "messages": [{ "role": "user", "content": "hi" }] });
    let refused = caller.post("/v1/messages", &anthropic).await?;
    assert_eq!(refused.status, 400, "{}", refused.text());
    ask(&caller, "8").await?.expect(200)?;
    operator.post("/end_user/block", &named).await?.expect(200)?;
    operator.post("/customer/unblock", &named).await?.expect(200)?;
    ask(&caller, "7").await?.expect(200)?;
    let facts = scene.activity("request.refused", 2).await?;
    assert!(facts.iter().all(|fact| fact["code"] == "end_user_blocked"), "{facts:?}");
    assert_eq!(facts[0]["scope"], "end_user:7");
    Ok(())
}

#[tokio::test]
async fn the_rate_limits_of_an_end_user_hold_over_all_keys() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let made = customer(&operator, json!({ "user_id": "7", "rpm_limit": 1 })).await?;
    assert_eq!(made["litellm_budget_table"]["rpm_limit"], 1);
    ask(&scene.caller().await?, "7").await?.expect(200)?;
    let other = scene.caller().await?;
    let limited = ask(&other, "7").await?;
    assert_eq!(by(&limited)?, (429, json!("end_user:7")));
    ask(&other, "8").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn an_end_user_without_a_budget_shows_what_was_asked_in_their_name_and_one_who_is_deleted_is_anybody()
-> Result<()> {
    let scene = Scene::start().await?;
    let (operator, caller) = (scene.gateway.operator()?, scene.caller().await?);
    ask(&caller, "7").await?.expect(200)?;
    customer(&operator, json!({ "user_id": "7", "alias": "Seven", "max_budget": 0 })).await?;
    assert_eq!(ask(&caller, "7").await?.status, 422);
    let row = operator.post("/customer/update", &json!({ "user_id": "7", "max_budget": null, "alias": null })).await?;
    let row = row.expect(200)?.json()?;
    assert_eq!((&row["alias"], &row["litellm_budget_table"]), (&json!("Seven"), &Value::Null));
    assert!(info(&operator, "7").await?["spend"].as_f64().is_some_and(|spend| spend > 0.0));
    let gone = operator.post("/customer/delete", &json!({ "user_ids": ["7"] })).await?.expect(200)?.json()?;
    assert_eq!(gone, json!({ "deleted_customers": 1, "message": "Successfully deleted customers with ids: ['7']" }));
    ask(&caller, "7").await?.expect(200)?;
    let missing = operator.get("/customer/info?end_user_id=7").await?;
    assert_eq!((missing.status, missing.at("/error/type")?), (404, json!("not_found")));
    assert_eq!(missing.at("/error/message")?, "End User Id=7 does not exist in db");
    customer(&operator, json!({ "user_id": "7" })).await?;
    ask(&caller, "7").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_an_end_user_is_said_as_litellm_says_it() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    customer(&operator, json!({ "user_id": "7" })).await?;
    let twice = operator.post("/customer/new", &json!({ "user_id": "7" })).await?;
    assert_eq!((twice.status, twice.at("/error/type")?), (400, json!("bad_request")));
    let message = "Customer already exists, passed user_id=7. Please pass a new user_id.";
    assert_eq!(twice.at("/error/message")?, message);
    let new = [
        (r#"{}"#, 422, "user_id"),
        (r#"{"user_id":""}"#, 422, "user_id"),
        (r#"{"user_id":"a\nb"}"#, 400, "user_id"),
        (r#"{"user_id":"8","max_budget":-1}"#, 400, "max_budget"),
        (r#"{"user_id":"8","budget_duration":"1y","max_budget":1}"#, 400, "budget_duration"),
        (r#"{"user_id":"8","default_model":"m"}"#, 400, "default_model"),
        (r#"{"user_id":"8","blocked":1}"#, 422, "blocked"),
    ];
    assert_refused(&operator, "/customer/new", &new).await?;
    assert_refused(&operator, "/customer/update", &[(r#"{"user_id":"8"}"#, 404, "user_id")]).await?;
    assert_refused(&operator, "/customer/delete", &[(r#"{"user_ids":["7","8"]}"#, 404, "user_ids")]).await?;
    assert_refused(&operator, "/customer/unblock", &[(r#"{"user_ids":["8"]}"#, 404, "user_ids")]).await?;
    operator.get("/customer/info?end_user_id=7").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_teams_admin_manages_the_teams_end_users_and_sees_no_others() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    operator.post("/user/new", &json!({ "user_id": "ann", "auto_create_key": false })).await?.expect(200)?;
    let member = json!({ "team_id": "red", "member": { "user_id": "ann", "role": "admin" } });
    operator.post("/team/member_add", &member).await?.expect(200)?;
    let key = generate(&operator, json!({ "user_id": "ann", "team_id": "red" })).await?;
    let ann = scene.gateway.caller(&text(&key, "key"))?;
    customer(&operator, json!({ "user_id": "everybodys" })).await?;
    customer(&operator, json!({ "user_id": "reds", "team_id": "red" })).await?;
    ann.post("/customer/new", &json!({ "user_id": "anns", "team_id": "red", "max_budget": 1 })).await?.expect(200)?;
    let listed = ann.get("/customer/list").await?.expect(200)?.json()?;
    let ids: Vec<&Value> = listed.as_array().into_iter().flatten().map(|row| &row["user_id"]).collect();
    assert_eq!(ids, [&json!("anns"), &json!("reds")]);
    for (path, body) in [
        ("/customer/update", json!({ "user_id": "everybodys", "max_budget": 5 })),
        ("/customer/delete", json!({ "user_ids": ["everybodys"] })),
    ] {
        assert_eq!(ann.post(path, &body).await?.status, 404, "{path}: it is as if they were not there");
    }
    assert_eq!(ann.post("/customer/new", &json!({ "user_id": "x" })).await?.status, 403, "of the whole gateway");
    let stranger = scene.key(KeyTerms::default()).await?;
    let stranger = scene.gateway.caller(&stranger.secret)?;
    assert_eq!(stranger.post("/customer/new", &json!({ "user_id": "x" })).await?.status, 401);
    assert_eq!(stranger.get("/customer/list").await?.expect(200)?.json()?, json!([]));
    Ok(())
}

#[tokio::test]
async fn end_users_are_ranked_by_what_was_spent_in_their_name_on_the_days_that_are_asked_for() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, caller) = (scene.gateway.operator()?, scene.caller().await?);
    for end_user in ["one", "two", "two"] {
        ask(&caller, end_user).await?.expect(200)?;
    }
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let ranked = operator.post("/global/spend/end_users", &json!({})).await?.expect(200)?.json()?;
    let rows: Vec<(&Value, &Value)> =
        ranked.as_array().into_iter().flatten().map(|row| (&row["end_user"], &row["total_count"])).collect();
    assert_eq!(
        rows,
        [(&json!("two"), &json!(2)), (&json!("one"), &json!(1))],
        "dearest first, and nobody's is not there"
    );
    assert!(ranked[0]["total_spend"].as_f64() > ranked[1]["total_spend"].as_f64(), "{ranked}");
    let past = json!({ "startTime": "2020-01-01", "endTime": "2020-12-31T23:59:59Z" });
    assert_eq!(operator.post("/global/spend/end_users", &past).await?.expect(200)?.json()?, json!([]));
    let wrong = [(r#"{"startTime":"yesterday"}"#, 400, "startTime"), (r#"{"api_key":7}"#, 422, "api_key")];
    assert_refused(&operator, "/global/spend/end_users", &wrong).await
}
