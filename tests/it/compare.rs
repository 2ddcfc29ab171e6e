//! One prompt for several models, side by side: what is told of each, what is recorded, and whose failure is whose.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::upstream::{Gate, Reply, StreamEnd};

use crate::scene::{KeyTerms, Scene, command, uuid};

/// Two more models, each with an upstream's name of its own: `one` and `two`, `upstream-one` and `upstream-two`.
async fn start() -> Result<Scene> {
    let scene = Scene::start().await?;
    for name in ["one", "two"] {
        let data = json!({ "model": uuid(), "name": name, "deployments": [{
            "id": format!("deployment-{name}"), "vendor": "openai-compatible", "upstream_model": format!("upstream-{name}"),
            "base_url": scene.upstream.url(), "max_output_tokens": 1_000,
            "price": { "input_pico_usd": 1_000_000, "output_pico_usd": 2_000_000,
                       "cached_input_pico_usd": null, "cache_write_pico_usd": null },
        }]});
        command(&scene.gateway, "RegisterModel", data).await?.expect(200)?;
    }
    Ok(scene)
}

fn compare(models: &[&str]) -> Value {
    json!({ "models": models, "messages": [{ "role": "user", "content": "Say three words." }], "max_tokens": 50 })
}

fn whole(models: &[&str]) -> Value {
    let mut body = compare(models);
    body["stream"] = json!(false);
    body
}

async fn answered(caller: &Client, body: &Value) -> Result<Value> {
    caller.post("/api/compare", body).await?.expect(200)?.json()
}

/// The events of a kind about one model.
fn of<'e>(events: &'e [Value], kind: &str, index: usize) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == kind && event["index"] == index).collect()
}

#[tokio::test]
async fn models_answer_side_by_side_each_with_its_time_tokens_and_cost() -> Result<()> {
    let scene = start().await?;
    let gate = Gate::closed();
    scene.upstream.on_model("upstream-one", Reply::answer().chunks(2).behind(&gate));
    let caller = scene.caller().await?.with_header("x-litellm-tags", "trial");
    let mut events = caller.stream("/api/compare", &compare(&["one", "two"])).await?;
    assert_eq!((events.status, &events.headers["content-type"]), (200, &"text/event-stream".parse()?));
    let mut seen: Vec<Value> = Vec::new();
    while seen.last().is_none_or(|last| last["type"] != "done") {
        seen.push(serde_json::from_str(&events.next().await?.context("it ended")?)?);
    }
    assert_eq!((&seen[0]["type"], &seen[0]["index"], &seen[0]["model"]), (&json!("start"), &json!(0), &json!("one")));
    assert_eq!((&seen[1]["type"], &seen[1]["index"], &seen[1]["model"]), (&json!("start"), &json!(1), &json!("two")));
    assert!(seen[2..].iter().all(|event| event["index"] == 1), "the first one is still waited for: {seen:?}");
    gate.open();
    seen.extend(events.rest().await?);
    for (index, text) in [(0, "word0 word1 "), (1, "word0 word1 word2 ")] {
        let texts: Vec<&str> = of(&seen, "delta", index).iter().filter_map(|event| event["text"].as_str()).collect();
        assert_eq!(texts.concat(), text);
        let [done] = of(&seen, "done", index)[..] else { anyhow::bail!("{seen:?}") };
        let [start] = of(&seen, "start", index)[..] else { anyhow::bail!("{seen:?}") };
        assert_eq!((&done["request"], &done["model"]), (&start["request"], &start["model"]));
        assert_eq!((&done["answered_by"], &done["finish_reason"]), (&done["model"], &json!("stop")));
        let usage = json!({ "input_tokens": 11, "cached_input_tokens": 0, "output_tokens": 7, "reasoning_tokens": 0,
                            "total_tokens": 18, "estimated": false });
        assert_eq!((&done["usage"], &done["cost_usd"]), (&usage, &json!(0.000_025)), "{done}");
        let (first, last) = (done["first_piece_ms"].as_u64(), done["latency_ms"].as_u64());
        assert!(first.context("no first piece")? <= last.context("no latency")?, "{done}");
    }
    let summary = seen.last().context("nothing")?;
    assert_eq!(
        (&summary["type"], &summary["succeeded"], &summary["failed"]),
        (&json!("summary"), &json!(2), &json!(0))
    );
    assert_eq!((&summary["fastest"], &summary["first"], &summary["cheapest"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&summary["cost_usd"], &summary["total_tokens"]), (&json!(0.000_05), &json!(36)));
    // Each is a request like any other.
    let settled = scene.activity("request.settled", 2).await?;
    for (index, name) in [(0, "one"), (1, "two")] {
        let settled = settled.iter().find(|settled| settled["model"] == name).context(name)?;
        assert_eq!(settled["request"], of(&seen, "start", index)[0]["request"]);
        assert_eq!((&settled["cost_nano_usd"], &settled["outcome"]), (&json!(25_000), &json!("succeeded")));
        assert_eq!(settled["tags"], json!(["trial"]), "with the tags of the comparison");
    }
    let sent = scene.upstream.requests();
    assert!(sent.iter().all(|sent| sent.json().is_ok_and(|body| body["max_tokens"] == 50)), "{sent:?}");
    let logs = scene.gateway.operator()?.get("/spend/logs").await?.expect(200)?;
    assert_eq!(logs.json()?.as_array().map(Vec::len), Some(2), "{}", logs.text());
    Ok(())
}

#[tokio::test]
async fn what_one_model_may_not_or_cannot_do_is_its_own_entry_and_the_others_answer() -> Result<()> {
    let scene = start().await?;
    scene.upstream.on_model("upstream-two", Reply::refuse(401));
    let models = Some(json!({ "only": ["one", "two"] }));
    let key = scene.key(KeyTerms { models, ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let told = answered(&caller, &whole(&["two", crate::scene::MODEL, "nothing", "one"])).await?;
    let code = |index: usize| &told["answers"][index]["error"]["code"];
    assert_eq!((code(0), code(1)), (&json!("upstream_refused"), &json!("model_not_allowed")), "{told}");
    assert_eq!((code(2), code(3)), (&json!("model_not_allowed"), &Value::Null));
    assert_eq!(told["answers"][1]["error"]["status"], 403);
    for refused in [1, 2] {
        let answer = &told["answers"][refused];
        assert_eq!(
            (&answer["usage"], &answer["cost_usd"], &answer["latency_ms"]),
            (&json!(null), &json!(null), &json!(null))
        );
    }
    let answer = &told["answers"][3];
    assert_eq!((&answer["text"], &answer["truncated"]), (&json!("word0 word1 word2 "), &json!(false)));
    assert_eq!((&answer["cost_usd"], &answer["finish_reason"]), (&json!(0.000_025), &json!("stop")));
    let summary = &told["summary"];
    assert_eq!((&summary["succeeded"], &summary["failed"], &summary["fastest"]), (&json!(1), &json!(3), &json!(3)));
    // A stream that breaks off has told its text, and is no answer.
    scene.upstream.on_model("upstream-one", Reply::answer().chunks(2).then(StreamEnd::Reset));
    scene.upstream.on_model("upstream-two", Reply::answer());
    let mut events = caller.stream("/api/compare", &compare(&["one", "two"])).await?;
    let events = events.rest().await?;
    assert_eq!(of(&events, "delta", 0).len(), 2, "{events:?}");
    let [broken] = of(&events, "error", 0)[..] else { anyhow::bail!("{events:?}") };
    assert!(broken["error"]["code"].is_string() && broken["latency_ms"].is_u64(), "{broken}");
    assert_eq!(of(&events, "done", 1).len(), 1);
    Ok(())
}

#[tokio::test]
async fn each_model_is_held_for_and_counted_by_itself() -> Result<()> {
    let scene = start().await?;
    let limits = json!({ "requests_per_minute": 2, "tokens_per_minute": null, "parallel_requests": null });
    let key = scene.key(KeyTerms { limits, ..KeyTerms::default() }).await?;
    let limited = answered(&scene.gateway.caller(&key.secret)?, &whole(&["one", "two", crate::scene::MODEL])).await?;
    let codes: Vec<&Value> = (0..3).map(|index| &limited["answers"][index]["error"]["code"]).collect();
    assert_eq!(codes, [&json!(null), &json!(null), &json!("rate_limited")], "{limited}");
    assert!(limited["answers"][2]["error"]["retry_after_seconds"].is_u64(), "{limited}");
    // A million nano-dollars pay for what one call may cost, and not for what two may.
    let terms = KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() };
    let caller = scene.gateway.caller(&scene.key(terms).await?.secret)?;
    let gate = Gate::closed();
    for name in ["upstream-one", "upstream-two"] {
        scene.upstream.on_model(name, Reply::answer().behind(&gate));
    }
    let mut events = caller.stream("/api/compare", &compare(&["one", "two"])).await?;
    let mut refused = Value::Null;
    while refused["type"] != "error" {
        refused = serde_json::from_str(&events.next().await?.context("nothing was refused")?)?;
    }
    assert_eq!(refused["error"]["code"], "budget_exhausted", "{refused}");
    gate.open();
    let rest = events.rest().await?;
    assert_eq!(rest.last().context("nothing")?["succeeded"], 1, "{rest:?}");
    Ok(())
}

#[tokio::test]
async fn whoever_leaves_leaves_each_request_settled() -> Result<()> {
    let scene = start().await?;
    for name in ["upstream-one", "upstream-two"] {
        scene.upstream.on_model(name, Reply::answer().chunks(1).then(StreamEnd::Hang));
    }
    let mut events = scene.caller().await?.stream("/api/compare", &compare(&["one", "two"])).await?;
    let mut texts = 0;
    while texts < 2 {
        let event: Value = serde_json::from_str(&events.next().await?.context("it ended")?)?;
        texts += usize::from(event["type"] == "delta");
    }
    drop(events);
    scene.upstream.wait_for_abandoned(2).await?;
    let settled = scene.activity("request.settled", 2).await?;
    assert!(settled.iter().all(|settled| settled["outcome"] == "disconnected"), "{settled:?}");
    Ok(())
}

#[tokio::test]
async fn a_slot_is_compared_as_what_it_leads_to_and_the_operator_compares_too() -> Result<()> {
    let scene = start().await?;
    let caller = scene.caller().await?;
    caller.post("/models/select", &json!({ "model_id": "two" })).await?.expect(200)?;
    let told = answered(&caller, &whole(&["one", "current"])).await?;
    let entry = &told["answers"][1];
    assert_eq!((&entry["model"], &entry["answered_by"]), (&json!("current"), &json!("two")), "{told}");
    let told = answered(&scene.gateway.operator()?, &whole(&["one", "two"])).await?;
    assert_eq!(told["summary"]["succeeded"], 2, "{told}");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_not_acceptable_is_refused_whole_and_nobody_is_asked() -> Result<()> {
    let scene = start().await?;
    let caller = scene.caller().await?;
    let messages = r#""messages": [{"role": "user", "content": "x"}]"#;
    let before = scene.logged().await?;
    let (invalid, parameter) = ("body_invalid", "parameter_invalid");
    let wrong = [
        (String::new(), invalid),
        ("[]".to_owned(), invalid),
        (format!(r#"{{{messages}}}"#), invalid),
        (r#"{"models": ["one", "two"]}"#.to_owned(), invalid),
        (format!(r#"{{"models": ["one", 2], {messages}}}"#), invalid),
        (format!(r#"{{"models": ["one", "two"], "model": "one", {messages}}}"#), invalid),
        (format!(r#"{{"models": ["one", "two"], {messages}, {messages}}}"#), invalid),
        (format!(r#"{{"models": ["one", "two"], "max_tokens": "9", {messages}}}"#), invalid),
        (format!(r#"{{"models": ["one"], {messages}}}"#), parameter),
        (format!(r#"{{"models": ["one", "two", "one"], {messages}}}"#), parameter),
        (format!(r#"{{"models": ["1","2","3","4","5","6","7","8","9"], {messages}}}"#), parameter),
        (format!(r#"{{"models": ["one", ""], {messages}}}"#), parameter),
        (r#"{"models": ["one", "two"], "messages": "x"}"#.to_owned(), parameter),
        (r#"{"models": ["one", "two"], "messages": []}"#.to_owned(), parameter),
        (format!(r#"{{"models": ["one", "two"], "messages": ["{}"]}}"#, "x".repeat(4 * 1024 * 1024)), "body_too_large"),
    ];
    for (body, code) in &wrong {
        let answer = caller.post_bytes("/api/compare", "application/json", body.clone()).await?;
        let shown = body.chars().take(100).collect::<String>();
        assert_eq!(answer.at("/error/tallygate/code")?, *code, "{shown}: {}", answer.text());
        assert!([400, 413].contains(&answer.status), "{shown}");
    }
    let refused = scene.refusals_since(&before).await?;
    assert_eq!(refused.len(), wrong.len());
    let stranger = Client::new(scene.gateway.url(), None)?.post("/api/compare", &compare(&["one", "two"])).await?;
    assert_eq!((stranger.status, stranger.at("/error/tallygate/code")?), (401, json!("key_missing")));
    assert_eq!(scene.upstream.request_count(), 0);
    Ok(())
}
