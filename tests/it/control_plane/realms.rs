//! Realms, which may also be called workspaces.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;

use super::{Plane, refusal, text};
use crate::scene::{KeyTerms, issue};

#[tokio::test]
async fn a_realm_is_made_shown_renamed_suspended_served_again_and_ended() -> Result<()> {
    let plane = Plane::start().await?;
    let operator = plane.operator()?;
    let made = operator.post("/api/realms", &json!({ "name": "Engineering" })).await?.expect(201)?;
    let id = text(&made, "/realm/id")?;
    let path = format!("/api/realms/{id}");
    assert_eq!((made.at("/realm/hasVirtualKey")?, made.at("/realm/models")?), (json!(false), json!([])));
    let child = json!({ "id": "eng.team a", "name": "Team", "parentId": id });
    operator.post("/api/workspaces", &child).await?.expect(201)?;
    let shown = operator.get("/api/workspaces/eng.team%20a").await?.expect(200)?;
    assert_eq!(shown.at("/realm/parentId")?, json!(id));
    let listed = operator.get("/api/realms").await?.expect(200)?.at("/realms")?;
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    let renamed = operator.patch(&path, &json!({ "name": "Research" })).await?.expect(200)?;
    assert_eq!((renamed.at("/ok")?, renamed.at("/realm/name")?), (json!(true), json!("Research")));
    for (action, suspended) in [("suspend", true), ("resume", false)] {
        let answer = operator.post(&format!("{path}/{action}"), &json!({})).await?.expect(200)?;
        assert_eq!(answer.at("/realm/suspended")?, json!(suspended));
    }
    let model = plane.model("m").await?;
    plane.grant(&model, &id).await?;
    let ended = operator.delete(&path).await?.expect(200)?;
    let state = ["suspended", "hasVirtualKey", "models"].map(|name| ended.at(&format!("/realm/{name}")));
    let state = state.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(state, [json!(true), json!(false), json!([])]);
    assert_eq!(refusal(&operator.delete("/api/realms/default").await?)?.0, 400);
    Ok(())
}

#[tokio::test]
async fn nobody_but_the_operator_manages() -> Result<()> {
    let plane = Plane::start().await?;
    let key = issue(&plane.gateway, KeyTerms::default()).await?.secret;
    let before = plane.log()?.len();
    for (client, status) in [(plane.gateway.caller(&key)?, 401), (Client::new(plane.gateway.url(), None)?, 401)] {
        for path in ["/api/realms", "/api/models", "/api/agents", "/api/agents/a/llm-config", "/api/realms/default"] {
            assert_eq!(client.get(path).await?.status, status, "{path}");
        }
        for path in ["/api/realms", "/api/workspaces", "/api/models", "/api/agents", "/api/models/a/realms"] {
            assert_eq!(client.post(path, &json!({ "name": "n" })).await?.status, status, "{path}");
        }
        assert_eq!(client.put("/api/agents/a/llm-config", &json!({})).await?.status, status);
    }
    assert_eq!(plane.log()?.len(), before);
    Ok(())
}

#[tokio::test]
async fn names_of_every_kind_are_taken_whole_or_refused_by_name() -> Result<()> {
    let plane = Plane::start().await?;
    let operator = plane.operator()?;
    for id in ["a.b", "a.*", ">", "two words", "аcme", "acme", "did:x#1%2F"] {
        let made = operator.post("/api/realms", &json!({ "id": id, "name": id })).await?.expect(201)?;
        assert_eq!(made.at("/realm/id")?, json!(id));
    }
    let before = plane.log()?.len();
    for body in [
        json!({ "name": "" }),
        json!({ "name": "x".repeat(10_000) }),
        json!({ "id": "x".repeat(10_000), "name": "n" }),
        json!({ "id": "a\u{200b}b", "name": "n" }),
        json!({ "id": "a\n", "name": "n" }),
        json!({ "name": "n", "parentId": "gone" }),
        json!({ "name": "n", "more": 1 }),
        json!({}),
        json!([]),
    ] {
        let answer = operator.post("/api/realms", &body).await?;
        assert!([400, 404].contains(&answer.status), "{body}: {}", answer.text());
    }
    assert_eq!(refusal(&operator.post("/api/realms", &json!({ "id": "acme", "name": "n" })).await?)?.0, 409);
    let long = "x".repeat(10_000);
    for path in ["/api/realms/gone", "/api/realms/%20", &format!("/api/realms/{long}")] {
        assert_eq!(refusal(&operator.get(path).await?)?, (404, json!("realm_not_registered")), "{path}");
    }
    assert_eq!(plane.log()?.len(), before);
    Ok(())
}
