//! `/key/info` and `/key/list`: who may see which key.

use anyhow::Result;
use serde_json::{Value, json};

use super::{assert_envelope, gateway, generate, text};
use crate::scene::command;

#[tokio::test]
async fn a_key_is_told_of_by_secret_and_hash_alike_and_without_its_token() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key = generate(&operator, json!({ "key_alias": "a" })).await?;
    let by_secret = operator.get(&format!("/key/info?key={}", text(&key, "key"))).await?.expect(200)?.json()?;
    let by_hash = operator.get(&format!("/key/info?key={}", text(&key, "token"))).await?.expect(200)?.json()?;
    assert_eq!((&by_secret["key"], &by_hash["key"]), (&key["key"], &key["token"]));
    assert_eq!(by_secret["info"], by_hash["info"]);
    assert_eq!((by_hash["info"].get("token"), by_hash["info"].get("key")), (None, None));
    assert_eq!(by_hash["info"]["key_alias"], "a");
    let several = json!({ "keys": [key["token"], "sk-nobody"] });
    let several = operator.post("/v2/key/info", &several).await?.expect(200)?.json()?;
    assert_eq!((&several["key"][1], several["info"].as_array().map(Vec::len)), (&json!("sk-nobody"), Some(1)));
    for path in ["/key/info?key=sk-nobody", "/key/info", "/key/info?key="] {
        let answer = operator.get(path).await?;
        assert_envelope(&answer)?;
        let expected = (404, json!("not_found_error"), json!("Key not found in database"));
        assert_eq!((answer.status, answer.at("/error/type")?, answer.at("/error/message")?), expected, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_sees_itself_and_the_keys_of_its_user_in_its_realm() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    command(&gateway, "RegisterRealm", json!({ "realm": "other", "models": "all" })).await?.expect(200)?;
    let own = generate(&operator, json!({ "user_id": "ann" })).await?;
    let same_user = generate(&operator, json!({ "user_id": "ann" })).await?;
    let other_user = generate(&operator, json!({ "user_id": "bob" })).await?;
    let other_realm = generate(&operator, json!({ "user_id": "ann", "team_id": "other" })).await?;
    let nobodys = generate(&operator, json!({})).await?;
    let caller = gateway.caller(&text(&own, "key"))?;
    let info = caller.get("/key/info").await?.expect(200)?;
    assert_eq!((info.at("/key")?, info.at("/info/user_id")?), (own["token"].clone(), json!("ann")));
    for (key, status) in [(&own, 200), (&same_user, 200), (&other_user, 403), (&other_realm, 404), (&nobodys, 403)] {
        let answer = caller.get(&format!("/key/info?key={}", text(key, "token"))).await?;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let listed = caller.get("/key/list?size=100").await?.expect(200)?;
    assert_eq!(listed.at("/keys")?, json!([same_user["token"], own["token"]]));
    let asked = caller.get("/key/list?team_id=other").await?.expect(200)?;
    assert_eq!((asked.at("/keys")?, asked.at("/total_count")?), (json!([]), json!(0)));
    let others = caller.post("/v2/key/info", &json!({ "keys": [other_user["token"]] })).await?.expect(200)?;
    assert_eq!(others.at("/info")?, json!([]));
    let models_alone = text(&generate(&operator, json!({ "key_type": "llm_api" })).await?, "key");
    let answer = gateway.caller(&models_alone)?.get("/key/info").await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (403, json!("key_kind_forbids")));
    assert_eq!(gateway.caller("sk-nobody")?.get("/key/info").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn keys_are_listed_newest_first_a_page_at_a_time() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    command(&gateway, "RegisterRealm", json!({ "realm": "r", "models": "all" })).await?.expect(200)?;
    let mut tokens = Vec::new();
    for n in 0..7 {
        let team = if n % 2 == 0 { json!("r") } else { Value::Null };
        let user = format!("u{}", n % 3);
        let key =
            generate(&operator, json!({ "key_alias": format!("k{n}"), "team_id": team, "user_id": user })).await?;
        tokens.insert(0, key["token"].clone());
    }
    let page = |query: &str| {
        let (operator, path) = (operator.clone(), format!("/key/list?{query}"));
        async move { operator.get(&path).await?.expect(200)?.json() }
    };
    let first = page("size=3").await?;
    assert_eq!(first, json!({ "keys": tokens[..3], "total_count": 7, "current_page": 1, "total_pages": 3 }));
    assert_eq!(page("size=3&page=3").await?["keys"], json!(tokens[6..]));
    assert_eq!(page("size=3&page=4").await?["keys"], json!([]));
    assert_eq!(page("").await?["keys"], json!(tokens));
    assert_eq!(page("team_id=r").await?["total_count"], 4);
    assert_eq!(
        page("user_id=u0&size=2&page=2").await?,
        json!({
            "keys": [tokens[6]], "total_count": 3, "current_page": 2, "total_pages": 2,
        })
    );
    assert_eq!(page("user_id=u0&team_id=r").await?["keys"], json!([tokens[0], tokens[6]]));
    assert_eq!(page("key_alias=k2").await?["keys"], json!([tokens[4]]));
    assert_eq!(
        page(&format!("key_hash={}", tokens[1].as_str().unwrap_or_default())).await?["keys"],
        json!([tokens[1]])
    );
    assert_eq!(page("key_alias=k2&user_id=u0").await?["keys"], json!([]));
    let full = page("return_full_object=true&size=1").await?;
    assert_eq!((&full["keys"][0]["token"], &full["keys"][0]["key_alias"]), (&tokens[0], &json!("k6")));
    for query in ["size=0", "size=101", "page=0", "page=x", "return_full_object=perhaps"] {
        let answer = operator.get(&format!("/key/list?{query}")).await?;
        assert_eq!((answer.status, answer.at("/detail/0/loc/0")?), (422, json!("query")), "{query}");
    }
    for query in ["sort_by=spend", "sort_order=asc", "organization_id=o"] {
        let answer = operator.get(&format!("/key/list?{query}")).await?;
        assert_eq!(
            (answer.status, answer.at("/error/tallygate/code")?),
            (400, json!("parameter_unsupported")),
            "{query}"
        );
    }
    Ok(())
}
