//! What was spent in the open windows of budgets: it counts here too, once, and bounds what can be spent yet.

use anyhow::Result;
use serde_json::{Value, json};

use super::database::Proxy;
use super::{import, secret};
use crate::litellm::position;

#[tokio::test]
async fn what_was_spent_in_the_open_window_counts_and_what_was_spent_before_does_not() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    assert!(ended.output.contains("spend of key monthly: 1.00 dollars: carried over"), "{}", ended.output);
    let info =
        async |name: &str| operator.get(&format!("/key/info?key={}", secret(name))).await?.expect(200)?.at("/info");
    let monthly = info("MONTHLY").await?;
    assert_eq!((&monthly["max_budget"], &monthly["spend"]), (&json!(100.0), &json!(1.0)), "{monthly}");
    assert_eq!(info("OVER").await?["spend"], json!(0.0), "its window is over");
    let full = proxy.gateway.caller(&secret("FULL"))?;
    let refused = full.post("/v1/chat/completions", &crate::scene::chat("gpt-4o")).await?.expect(422)?;
    let said = refused.text();
    assert!(said.contains("Current cost: 99.9999999, Max budget: 100.00"), "{said}");
    assert!(proxy.upstream.requests().is_empty());
    let ann = proxy.gateway.caller(&secret("ANN"))?;
    ann.post("/v1/chat/completions", &crate::scene::chat("gpt-4o")).await?.expect(200)?;
    let spent = info("ANN").await?["spend"].as_f64().unwrap_or_default();
    assert!(spent > 2.25 && spent < 2.26, "what was spent there and here: {spent}");
    Ok(())
}

#[tokio::test]
async fn what_was_spent_meanwhile_is_added_once_and_nothing_is_lowered() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let run = async || import(&proxy.gateway, &["--database-url", &url, "--apply"]).await;
    let spend = async || -> Result<Value> {
        operator.get(&format!("/key/info?key={}", secret("MONTHLY"))).await?.expect(200)?.at("/info/spend")
    };
    let say = async |usd: &str| {
        let update = "UPDATE \"LiteLLM_VerificationToken\" SET \"spend\" =";
        proxy.database.run(&format!("{update} {usd} WHERE \"key_alias\" = 'monthly'")).await
    };
    run().await?;
    say("4.5").await?;
    let more = run().await?;
    assert!(more.output.contains("spend of key monthly: 4.50 dollars: carried over"), "{}", more.output);
    assert_eq!(spend().await?, json!(4.5));
    let after = position(&operator).await?;
    say("2").await?;
    let less = run().await?;
    assert_eq!((spend().await?, position(&operator).await?), (json!(4.5), after), "{}", less.output);
    for name in ["MONTHLY", "ANN"] {
        let path = format!("/key/{}/reset_spend", secret(name));
        operator.post(&path, &json!({ "reset_to": 0.0 })).await?.expect(200)?;
    }
    say("5").await?;
    let again = run().await?;
    assert!(
        again.output.contains("not carried over: spend of key monthly: 5.00 dollars: the open window ends at"),
        "{}",
        again.output
    );
    assert_eq!(spend().await?, json!(0.0), "what was spent before the reset does not come back");
    let ann = operator.get(&format!("/key/info?key={}", secret("ANN"))).await?.expect(200)?.at("/info/spend")?;
    assert_eq!(ann, json!(0.0), "nor does it in a window without end");
    Ok(())
}
