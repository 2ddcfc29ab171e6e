//! Agents that answer by the agent-to-agent protocol: by plain HTTP, and by the library in both of its lines.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Setup;
use tallygate_tests::python;

use super::{Known, Plane, text};
use crate::scene::lines;

/// Two models that a realm may call, and an agent in it.
pub struct Talk {
    pub plane: Plane,
    pub realm: String,
    pub one: String,
    pub two: String,
    pub agent: Known,
}

impl Talk {
    pub async fn with(setup: Setup) -> Result<Self> {
        let plane = Plane::with(setup).await?;
        let (one, two, realm) =
            (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
        plane.grant(&one, &realm).await?;
        plane.grant(&two, &realm).await?;
        let agent = plane.agent("planner", &realm).await?;
        Ok(Self { plane, realm, one, two, agent })
    }

    pub async fn start() -> Result<Self> {
        Self::with(Setup::new()).await
    }

    /// The agent, for whoever has its token.
    pub fn caller(&self) -> Result<Client> {
        self.plane.gateway.caller(&self.agent.token)
    }

    /// What a text is answered in a conversation.
    pub async fn say(&self, context: &str, said: &str) -> Result<Value> {
        say(&self.caller()?, "planner", context, said).await
    }

    /// The models that the upstream was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.plane.upstream.requests().iter().filter_map(|request| request.model()).collect()
    }
}

pub fn message(method: &str, context: &str, said: &str) -> Value {
    let message = json!({ "kind": "message", "role": "user", "messageId": "m1", "contextId": context,
        "parts": [{ "kind": "text", "text": said }] });
    json!({ "jsonrpc": "2.0", "id": "1", "method": method, "params": { "message": message } })
}

pub async fn say(caller: &Client, agent: &str, context: &str, said: &str) -> Result<Value> {
    let answer = caller.post(&format!("/a2a/{agent}"), &message("message/send", context, said)).await?.expect(200)?;
    answer.at("")
}

fn words(answer: &Value) -> Result<&str> {
    answer["result"]["parts"][0]["text"].as_str().with_context(|| answer.to_string())
}

#[tokio::test]
async fn an_agent_answers_with_the_model_of_the_conversation_and_a_swap_holds_for_that_one_alone() -> Result<()> {
    let talk = Talk::start().await?;
    let first = talk.say("a", "Hello.").await?;
    let result = &first["result"];
    assert_eq!((&first["id"], &result["kind"], &result["role"]), (&json!("1"), &json!("message"), &json!("agent")));
    assert_eq!((&result["contextId"], result["messageId"].is_string()), (&json!("a"), true), "{first}");
    assert_eq!(result["metadata"]["tallygate"]["model"], "openai-compatible/one");
    let swapped = talk.say("a", "[HOTSWAP:MODEL:openai-compatible/two]").await?;
    assert!(words(&swapped)?.starts_with("Model: openai-compatible/two\n"), "{swapped}");
    let again = talk.say("a", "[HOTSWAP:MODEL:openai-compatible/two]").await?;
    assert!(
        words(&again)?.starts_with("Model: openai-compatible/two\n"),
        "to choose what is chosen is no error: {again}"
    );
    talk.say("a", "And now?").await?;
    talk.say("b", "Hello.").await?;
    assert_eq!(talk.asked(), ["upstream-one", "upstream-two", "upstream-one"]);
    let selected: Vec<Value> = talk.plane.log()?.into_iter().filter(|line| line["type"] == "model.selected").collect();
    assert_eq!(selected.len(), 1, "{selected:?}");
    let (line, did) = (&selected[0], &talk.agent.did);
    assert_eq!(
        line["data"],
        json!({ "scope": format!("context:{did}#a"), "slot": "current", "model": "openai-compatible/two" })
    );
    assert_eq!((&line["actor"], &line["realm"]), (&json!({ "kind": "agent", "id": did }), &json!(talk.realm)));
    Ok(())
}

#[tokio::test]
async fn a_conversation_is_gone_on_with_and_its_prompt_goes_before_it() -> Result<()> {
    let talk = Talk::start().await?;
    let first = talk.say("a", "First.").await?;
    talk.say("a", "[HOTSWAP:PROMPT:Be brief.]").await?;
    talk.say("a", "Second.").await?;
    talk.say("b", "Other.").await?;
    let sent: Vec<Value> = talk
        .plane
        .upstream
        .requests()
        .iter()
        .map(|request| Ok(request.json()?["messages"].clone()))
        .collect::<Result<_>>()?;
    let says = |role: &str, text: &str| json!({ "role": role, "content": text });
    assert_eq!(sent[0], json!([says("user", "First.")]));
    let expected = json!([
        says("system", "Be brief."),
        says("user", "First."),
        says("assistant", words(&first)?),
        says("user", "Second.")
    ]);
    assert_eq!(sent[1], expected);
    assert_eq!(sent[2], json!([says("user", "Other.")]));
    let told = talk.say("a", "[HOTSWAP:GET_CONFIG]").await?;
    let told: Vec<&str> = words(&told)?.lines().collect();
    assert_eq!(told[0], "Model: openai-compatible/one");
    assert!(told.contains(&"Prompt: Be brief.") && told.contains(&"Turns remembered: 2"), "{told:?}");
    talk.say("a", "[HOTSWAP:PROMPT:]").await?;
    talk.say("a", "Third.").await?;
    let last = talk.plane.upstream.requests()[3].json()?["messages"].clone();
    assert_eq!(last[0], says("user", "First."), "the prompt is cleared: {last}");
    let log = talk.plane.log()?.iter().map(Value::to_string).collect::<String>();
    assert!(!log.contains("Be brief.") && !log.contains("Second."), "what is said enters no event");
    Ok(())
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_restart_and_stands_nowhere_in_plain_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let talk = Talk::with(Setup::new().data(folder.path())).await?;
    let first = talk.say("a", "A secret question.").await?;
    talk.say("a", "[HOTSWAP:PROMPT:A secret prompt.]").await?;
    let Talk { plane, agent, .. } = talk;
    let Plane { gateway, upstream, .. } = plane;
    gateway.shut_down().await?;
    for file in walkdir::WalkDir::new(folder.path()) {
        let file = file?;
        if file.file_type().is_file() {
            let bytes = std::fs::read(file.path())?;
            let is_there = bytes.windows(8).any(|bytes| bytes == b"A secret");
            assert!(!is_there, "{} says what was said", file.path().display());
        }
    }
    let gateway = Setup::new().data(folder.path()).start().await?;
    say(&gateway.caller(&agent.token)?, "planner", "a", "Second.").await?;
    let says = |role: &str, text: &str| json!({ "role": role, "content": text });
    let asked = [
        says("system", "A secret prompt."),
        says("user", "A secret question."),
        says("assistant", words(&first)?),
        says("user", "Second."),
    ];
    assert_eq!(upstream.requests()[1].json()?["messages"], json!(asked));
    gateway.shut_down().await?;
    let gateway = Setup::new().data(folder.path()).arg("--conversations").arg("memory").start().await?;
    say(&gateway.caller(&agent.token)?, "planner", "a", "Third.").await?;
    assert_eq!(upstream.requests()[2].json()?["messages"], json!([says("user", "Third.")]), "in memory alone");
    Ok(())
}

#[tokio::test]
async fn what_an_agent_is_asked_is_settled_on_its_own_key_with_the_selection_that_led_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let talk = Talk::with(Setup::new().data(folder.path())).await?;
    talk.say("a", "[HOTSWAP:MODEL:openai-compatible/two]").await?;
    talk.say("a", "Hello.").await?;
    let place = talk.plane.operator()?.get(&format!("/api/agents/{}/realms", talk.agent.did)).await?.expect(200)?;
    let key = text(&place, "/realms/0/keyId")?;
    let selected =
        talk.plane.log()?.into_iter().find(|line| line["type"] == "model.selected").context("no selection")?;
    talk.plane.gateway.shut_down().await?;
    let settled = lines(folder.path(), "activity")?.into_iter().find(|line| line["type"] == "request.settled");
    let settled = settled.context("nothing is settled")?;
    assert_eq!((&settled["data"]["key"], &settled["realm"]), (&json!(key), &json!(talk.realm)), "{settled}");
    let caused_by = settled["cause"].as_array().context("no cause")?;
    assert!(caused_by.contains(&selected["position"]), "the selection is among what decided: {settled}");
    Ok(())
}

#[tokio::test]
async fn the_library_talks_to_an_agent_in_both_of_its_lines_whole_and_streamed() -> Result<()> {
    let talk = Talk::start().await?;
    let url = format!("{}/a2a/planner", talk.plane.gateway.url());
    for (venv, context) in [("venv", "new"), ("venv-a2a-0.2", "old")] {
        for streams in [false, true] {
            let context = format!("{context} {streams} *.>");
            let mut arguments = vec![
                "--url",
                &url,
                "--token",
                &talk.agent.token,
                "--context",
                &context,
                "--model",
                "openai-compatible",
            ];
            arguments.extend(["two", "--prompt", "Be brief.", "--config", "--message", "Hello."]);
            arguments.extend(streams.then_some("--stream"));
            let before = talk.plane.upstream.request_count();
            let output = python::run_script_in(venv, "a2a_hot_swap.py", &arguments).await?.output;
            assert!(
                output.starts_with("Model: openai-compatible/two\n") && output.contains("Prompt: Be brief."),
                "{output}"
            );
            assert!(output.contains(&format!("Context: {context}")), "{output}");
            let sent = talk.plane.upstream.requests().split_off(before);
            assert_eq!(sent.len(), 1, "control messages reach no model");
            assert_eq!(
                (sent[0].model().as_deref(), sent[0].json()?["stream"] == true),
                (Some("upstream-two"), streams)
            );
            let arguments = ["--url", &url, "--token", &talk.agent.token, "--context", &context, "--message", "Again."];
            python::run_script_in(venv, "a2a_hot_swap.py", &arguments).await?;
            let sent = talk.plane.upstream.requests()[before + 1].json()?["messages"].clone();
            let answer = output.lines().last().context("no answer")?;
            assert_eq!(
                (&sent[1]["content"], &sent[2]["content"]),
                (&json!("Hello."), &json!(answer)),
                "{venv} {streams}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_choice_of_an_agent_or_a_conversation_holds_for_what_the_agent_itself_calls() -> Result<()> {
    let talk = Talk::start().await?;
    let mut connected = talk.plane.connect(&talk.agent).await?;
    let key = connected.told().await?.text("apiKey").to_owned();
    let select = async |scope: String, model: &str| {
        let body = json!({ "model_id": model, "scope": scope });
        talk.plane.operator()?.post("/models/select", &body).await?.expect(200)
    };
    select(format!("agent:{}", talk.agent.did), "openai-compatible/two").await?;
    assert_eq!(connected.told().await?.model(), "openai-compatible/two", "it is told at once");
    select(format!("context:{}#a", talk.agent.did), "openai-compatible/one").await?;
    talk.plane.call(&key, "current").await?.expect(200)?;
    let within = talk.plane.gateway.caller(&key)?.with_header("x-tallygate-context", "a");
    within.post("/v1/chat/completions", &crate::scene::chat("current")).await?.expect(200)?;
    assert_eq!(talk.asked(), ["upstream-two", "upstream-one"]);
    let scope = format!("/models/current?scope=context:{}%23b", talk.agent.did);
    let current = talk.plane.operator()?.get(&scope).await?.expect(200)?;
    assert_eq!(current.at("/selected_by")?, json!(format!("agent:{}", talk.agent.did)), "{}", current.text());
    Ok(())
}
