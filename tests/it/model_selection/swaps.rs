//! Many swaps: while requests run, and on several gateways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use tallygate_tests::client::Client;
use tallygate_tests::nats_server::NatsServer;

use super::{Selector, select};
use crate::cluster::on;
use crate::scene::{KeyTerms, chat};

const SWAPS: usize = 1_000;
const CALLERS: usize = 8;
const MODELS: [&str; 2] = ["gpt-5-mini", "gpt-4o"];

/// The model that one request for `current` was answered by, as its answer says.
async fn answered_by(caller: &Client) -> Result<String> {
    let answer = caller.post("/v1/chat/completions", &chat("current")).await?.expect(200)?;
    Ok(answer.header("x-litellm-model-group").context("no model told")?.to_owned())
}

#[tokio::test]
async fn a_thousand_swaps_under_load_lose_no_request_and_each_is_followed_by_the_very_next() -> Result<()> {
    let selector = Selector::start().await?;
    selector.upstream.forget_requests();
    let caller = selector.caller().await?;
    select(&caller, MODELS[1], "openai").await?.expect(200)?;
    let over = Arc::new(AtomicBool::new(false));
    let load = async |caller: Client, over: Arc<AtomicBool>| -> Result<usize> {
        let mut calls = 0;
        while !over.load(Ordering::Relaxed) {
            answered_by(&caller).await?;
            calls += 1;
        }
        Ok(calls)
    };
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(load(caller.clone(), Arc::clone(&over)))).collect();
    for swap in 0..SWAPS {
        let model = MODELS[swap % MODELS.len()];
        select(&caller, model, "openai").await?.expect(200)?;
        assert_eq!(answered_by(&caller).await?, format!("openai/{model}"), "swap {swap}");
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await?? > 0, "a caller was never answered");
    }
    assert_eq!(selector.selections()?.len(), SWAPS + 1);
    Ok(())
}

#[tokio::test]
async fn a_swap_on_one_gateway_is_followed_by_the_next_request_on_another() -> Result<()> {
    let nats = NatsServer::start().await?;
    let selector = Selector::with(on(&nats)).await?;
    let setup = on(&nats).env("LITELLM_OPENAI_API_KEY", "sk-provider-of-the-selector");
    let other = setup.env("OPENAI_BASE_URL", selector.upstream.url()).start().await?;
    let key = selector.key(KeyTerms::default()).await?;
    let gateways = [&selector.gateway, &other];
    for swap in 0..50 {
        let model = MODELS[swap % MODELS.len()];
        let (here, there) = (gateways[swap / 2 % 2], gateways[(swap / 2 + 1) % 2]);
        let caller = here.caller(&key.secret)?;
        let chosen = select(&caller, model, "openai").await?.expect(200)?;
        let position = chosen.header("x-tallygate-position").context("no position")?.to_owned();
        let caller = there.caller(&key.secret)?.with_header("x-tallygate-min-position", &position);
        assert_eq!(answered_by(&caller).await?, format!("openai/{model}"), "swap {swap}");
        assert_eq!(caller.get("/models/current").await?.at("/model_id")?, model, "swap {swap}");
    }
    Ok(())
}
