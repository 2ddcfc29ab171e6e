//! `/key/update`, `/key/block`, `/key/delete`, `/key/regenerate`: each is enforced when it is answered.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;

use super::{assert_envelope, assert_refused, gateway, generate, position, text};

async fn status_of(gateway: &tallygate_tests::gateway::Gateway, secret: &str) -> Result<u16> {
    Ok(gateway.caller(secret)?.get("/v1/models").await?.status)
}

#[tokio::test]
async fn only_what_is_sent_changes_and_null_clears() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let made = json!({ "key_alias": "a", "user_id": "u", "models": ["m"], "max_budget": 1, "budget_duration": "1d",
        "rpm_limit": 5, "metadata": {"x": 1}, "duration": "1h" });
    let key = generate(&operator, made).await?;
    let secret = text(&key, "key");
    let update = |change: Value| {
        let operator = operator.clone();
        let mut body = change;
        body["key"] = json!(secret);
        async move { operator.post("/key/update", &body).await?.expect(200)?.json() }
    };
    let after = update(json!({ "max_budget": 2 })).await?;
    assert_eq!(
        (&after["key"], &after["max_budget"], &after["budget_duration"]),
        (&json!(secret), &json!(2.0), &json!("1d"))
    );
    for name in ["key_alias", "user_id", "models", "rpm_limit", "metadata", "expires", "token", "budget_reset_at"] {
        assert_eq!(after[name], key[name], "{name}");
    }
    let cleared =
        update(json!({ "user_id": null, "rpm_limit": null, "max_budget": null, "metadata": null, "key_alias": "" }))
            .await?;
    for name in ["user_id", "rpm_limit", "max_budget", "budget_duration", "key_alias"] {
        assert_eq!(cleared[name], Value::Null, "{name}");
    }
    assert_eq!((&cleared["metadata"], &cleared["models"]), (&json!({}), &json!(["m"])));
    assert_eq!(update(json!({ "duration": null, "models": null })).await?["expires"], key["expires"], "as it is");
    assert_eq!(update(json!({ "duration": "-1" })).await?["expires"], Value::Null);
    assert_eq!(update(json!({ "models": [] })).await?["models"], json!([]));
    assert_eq!(update(json!({ "models": ["no-default-models"] })).await?["models"], json!(["no-default-models"]));
    let before = position(&operator).await?;
    update(json!({ "models": ["no-default-models"] })).await?;
    assert_eq!(position(&operator).await?, before, "what is so already is no event");
    Ok(())
}

#[tokio::test]
async fn a_key_is_named_by_its_secret_its_hash_or_its_alias() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key = generate(&operator, json!({ "key_alias": "named" })).await?;
    for (name, value, rpm) in [("key", &key["key"], 1), ("key", &key["token"], 2), ("key_alias", &key["key_alias"], 3)]
    {
        let after = operator.post("/key/update", &json!({ name: value, "rpm_limit": rpm })).await?.expect(200)?;
        assert_eq!((after.at("/rpm_limit")?, after.at("/token")?), (json!(rpm), key["token"].clone()));
    }
    let unknown = format!(r#"{{"key":"{}"}}"#, "0".repeat(64));
    let cases: [(&str, u16, &str); 7] = [
        (r#"{"key":"sk-nobody"}"#, 404, "key"),
        (&unknown, 404, "key"),
        (r#"{"key_alias":"nobody"}"#, 404, "key"),
        (r#"{"rpm_limit":1}"#, 422, "key"),
        (r#"{"key_alias":"named","team_id":"other"}"#, 400, "team_id"),
        (r#"{"key_alias":"named","spend":0}"#, 400, "spend"),
        (r#"{"key_alias":"named","max_budget":-0.5}"#, 400, "max_budget"),
    ];
    assert_refused(&operator, "/key/update", &cases).await?;
    let answer = operator.post("/key/update", &json!({ "key": "sk-nobody" })).await?;
    assert_eq!(
        (answer.at("/error/type")?, answer.at("/error/message")?),
        (json!("not_found_error"), json!("Key not found."))
    );
    assert!(!answer.text().contains("sk-nobody"), "what was sent may be a secret");
    Ok(())
}

#[tokio::test]
async fn a_blocked_key_is_refused_until_it_is_unblocked() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key = generate(&operator, json!({})).await?;
    let secret = text(&key, "key");
    for named in [&key["key"], &key["token"]] {
        for _ in 0..2 {
            let row = operator.post("/key/block", &json!({ "key": named })).await?.expect(200)?;
            assert_eq!((row.at("/blocked")?, row.at("/token")?), (json!(true), key["token"].clone()));
        }
        assert_eq!(status_of(&gateway, &secret).await?, 401);
        let row = operator.post("/key/unblock", &json!({ "key": named })).await?.expect(200)?;
        assert_eq!(row.at("/blocked")?, false);
        assert_eq!(status_of(&gateway, &secret).await?, 200);
    }
    operator.post("/key/update", &json!({ "key": secret, "blocked": true })).await?.expect(200)?;
    assert_eq!(status_of(&gateway, &secret).await?, 401);
    operator.post("/key/update", &json!({ "key": secret, "blocked": false })).await?.expect(200)?;
    assert_eq!(status_of(&gateway, &secret).await?, 200);
    let cases: [(&str, u16, &str); 4] = [
        ("{}", 422, "key"),
        (r#"{"key":"x"}"#, 400, "key"),
        (r#"{"key":"sk-'; drop"}"#, 400, "key"),
        (r#"{"key":"sk-nobody"}"#, 404, "key"),
    ];
    assert_refused(&operator, "/key/block", &cases).await
}

#[tokio::test]
async fn deleted_keys_are_refused_for_ever_and_their_aliases_are_free() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let mut keys = Vec::new();
    for alias in ["a", "b", "c"] {
        keys.push(generate(&operator, json!({ "key_alias": alias })).await?);
    }
    let body = json!({ "keys": [keys[0]["key"], keys[1]["token"], "sk-nobody", keys[0]["token"]] });
    let answer = operator.post("/key/delete", &body).await?.expect(200)?;
    assert_eq!(answer.at("/deleted_keys")?, json!([keys[0]["key"], keys[1]["token"], keys[0]["token"]]));
    let answer = operator.post("/key/delete", &json!({ "key_aliases": ["c"] })).await?.expect(200)?;
    assert_eq!(answer.at("/deleted_keys")?, json!(["c"]));
    for key in &keys {
        assert_eq!(status_of(&gateway, &text(key, "key")).await?, 401);
        let info = operator.get(&format!("/key/info?key={}", text(key, "token"))).await?;
        assert_eq!((info.status, info.at("/error/param")?), (404, json!("key")));
    }
    generate(&operator, json!({ "key_alias": "a" })).await?;
    assert_refused(&operator, "/key/generate", &[(&json!({ "key": keys[0]["key"] }).to_string(), 400, "key")]).await?;
    assert_refused(&operator, "/key/delete", &[("{}", 422, "keys"), (r#"{"keys":"x"}"#, 422, "keys")]).await?;
    let none = operator.post("/key/delete", &json!({ "keys": ["sk-nobody"] })).await?;
    assert_envelope(&none)?;
    assert_eq!((none.status, none.at("/error/message")?), (404, json!("{'error': 'No keys found'}")));
    Ok(())
}

#[tokio::test]
async fn a_regenerated_key_is_the_same_key_with_another_secret() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key =
        generate(&operator, json!({ "key_alias": "kept", "rpm_limit": 7, "max_budget": 3, "user_id": "u" })).await?;
    let first = text(&key, "key");
    let path = format!("/key/{first}/regenerate");
    let again = operator.post_bytes(&path, "application/json", "").await?.expect(200)?.json()?;
    let second = text(&again, "key");
    assert_ne!(second, first);
    assert_eq!(again["token"], KeyHash::of_secret(&second).to_string());
    for name in ["key_alias", "rpm_limit", "max_budget", "user_id", "created_at"] {
        assert_eq!(again[name], key[name], "{name}");
    }
    assert_eq!((status_of(&gateway, &first).await?, status_of(&gateway, &second).await?), (401, 200));
    let body = json!({ "key": again["token"], "new_key": "sk-third-one", "rpm_limit": 8 });
    let third = operator.post("/key/regenerate", &body).await?.expect(200)?;
    assert_eq!((third.at("/key")?, third.at("/rpm_limit")?), (json!("sk-third-one"), json!(8)));
    assert_eq!((status_of(&gateway, &second).await?, status_of(&gateway, "sk-third-one").await?), (401, 200));
    let cases: [(&str, u16, &str); 5] = [
        (r#"{"key":"sk-nobody"}"#, 404, "key"),
        ("{}", 422, "key"),
        (r#"{"key":"sk-third-one","new_key":"x"}"#, 400, "new_key"),
        (r#"{"key":"sk-third-one","grace_period":"soon"}"#, 400, "grace_period"),
        (r#"{"key":"sk-third-one","new_master_key":"sk-x"}"#, 400, "new_master_key"),
    ];
    assert_refused(&operator, "/key/regenerate", &cases).await
}
