//! Users, end users, tags and named budgets of a database.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;

use super::database::Proxy;
use super::{import, secret};

#[tokio::test]
async fn users_have_their_roles_teams_and_limits_and_who_is_left_out_leaves_no_key_loose() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    for said in [
        "user ann: carried over",
        "not carried over: user twin: their email address: another user has it",
        "not carried over: user alien: `user_role`: there is no role here that `customer` would be. Their keys are left out too",
        "not carried over: key of alien: `user_id`: its user is not carried over",
        "not carried over: team research: the limits of the member twin: their keys of this team are left out",
        "not carried over: key of twin: `user_id`: its user has limits within the team",
        "not carried over: user default_user_id: it stands for the holder of the master key",
    ] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    let user = async |id: &str| operator.get(&format!("/user/info?user_id={id}")).await?.expect(200)?.at("/user_info");
    let ann = user("ann").await?;
    for (field, value) in [
        ("user_alias", json!("Ann")),
        ("user_email", json!("ann@acme.example")),
        ("user_role", json!("internal_user")),
        ("models", json!(["gpt-4o", "own"])),
        ("max_budget", json!(20.0)),
        ("budget_duration", json!("30d")),
        ("spend", json!(3.5)),
        ("rpm_limit", json!(300)),
        ("metadata", json!({ "desk": 7 })),
        ("teams", json!(["research"])),
    ] {
        assert_eq!(ann[field], value, "{field}: {ann}");
    }
    let twin = user("twin").await?;
    assert_eq!((&twin["user_email"], &twin["teams"]), (&Value::Null, &json!(["research"])), "{twin}");
    let members =
        operator.get("/team/info?team_id=research").await?.expect(200)?.at("/team_info/members_with_roles")?;
    let role =
        |id: &str| members.as_array()?.iter().find(|member| member["user_id"] == id).map(|member| &member["role"]);
    assert_eq!((role("ann"), role("twin")), (Some(&json!("admin")), Some(&json!("user"))), "{members}");
    assert_eq!(user("olga").await?["teams"], json!(["acme"]), "the admin of an organization");
    let blocked = json!({ "id": "b", "type": "BlockUser", "data": { "user": "gone" } });
    operator.post("/api/commands", &blocked).await?.expect(409)?;
    for left in ["alien", "default_user_id"] {
        operator.get(&format!("/user/info?user_id={left}")).await?.expect(404)?;
    }
    for left in ["ALIEN", "TWIN"] {
        operator.get(&format!("/key/info?key={}", secret(left))).await?.expect(404)?;
    }
    Ok(())
}

#[tokio::test]
async fn end_users_and_tags_have_their_rules_and_share_budgets_by_name() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    for said in [
        "named budget free tier: carried over",
        "end user customer 1: carried over",
        "tag prod: carried over",
        "not carried over: end user customer 3: `allowed_model_region`: it would not be kept here",
        "not carried over: end user customer 4: `model_max_budget`: it would not be kept here",
        "not carried over: end user (1 of them): no rule holds of them",
    ] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    let one = customer(&operator, "customer 1").await?;
    assert_eq!((&one["alias"], &one["spend"], &one["blocked"]), (&json!("One"), &json!(1.25), &json!(false)), "{one}");
    assert_eq!(one["litellm_budget_table"]["budget_id"], "free tier", "{one}");
    assert_eq!(one["litellm_budget_table"]["max_budget"], json!(5.0), "{one}");
    assert_eq!(customer(&operator, "customer 3").await?["blocked"], true);
    assert_eq!(customer(&operator, "customer 4").await?["litellm_budget_table"]["max_budget"], json!(3.0));
    operator.get("/customer/info?end_user_id=passer-by").await?.expect(404)?;
    assert_eq!(one["litellm_budget_table"]["soft_budget"], json!(4.0), "{one}");
    let raise = json!({ "budget_id": "free tier", "max_budget": 6 });
    operator.post("/budget/update", &raise).await?.expect(200)?;
    for other in ["customer 1", "customer 2"] {
        assert_eq!(customer(&operator, other).await?["litellm_budget_table"]["max_budget"], json!(6.0), "{other}");
    }
    let key = operator.get(&format!("/key/info?key={}", secret("TIER"))).await?.expect(200)?.at("/info")?;
    assert_eq!(
        (&key["max_budget"], &key["soft_budget"], &key["spend"]),
        (&json!(6.0), &json!(4.0), &json!(0.25)),
        "{key}"
    );
    let tags = operator.post("/tag/info", &json!({ "names": ["prod"] })).await?.expect(200)?.json()?;
    assert_eq!(
        (&tags["prod"]["description"], &tags["prod"]["models"]),
        (&json!("Production"), &json!(["gpt-4o"])),
        "{tags}"
    );
    assert_eq!(tags["prod"]["litellm_budget_table"]["max_budget"], json!(20.0), "{tags}");
    assert_eq!(tags["prod"]["spend"], json!(4.0), "{tags}");
    Ok(())
}

#[tokio::test]
async fn the_keys_of_a_user_whom_the_gateway_refuses_are_left_out() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let other = json!({ "user_id": "else", "user_email": "ANN@acme.example", "auto_create_key": false });
    operator.post("/user/new", &other).await?.expect(200)?;
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    for said in [
        "not carried over: user ann: refused: User with email ann@acme.example already exists",
        "not carried over: key ann of research: its user was refused",
    ] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    operator.get(&format!("/key/info?key={}", secret("ANN"))).await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn members_of_more_teams_than_a_page_holds_are_all_read() -> Result<()> {
    let proxy = Proxy::start().await?;
    let many = "INSERT INTO \"LiteLLM_TeamMembership\" (\"user_id\", \"team_id\", \"budget_id\") \
                SELECT 'twin', 'team ' || n, 'b-member' FROM generate_series(1, 2100) AS n";
    proxy.database.run(many).await?;
    let dry = import(&proxy.gateway, &["--database-url", &proxy.database.url()]).await?;
    let told = dry.output.lines().filter(|line| line.contains("the limits of the member twin")).count();
    assert_eq!(told, 2_101, "{:.2000}", dry.output);
    Ok(())
}

async fn customer(operator: &Client, id: &str) -> Result<Value> {
    let id = id.replace(' ', "%20");
    operator.get(&format!("/customer/info?end_user_id={id}")).await?.expect(200)?.json()
}
