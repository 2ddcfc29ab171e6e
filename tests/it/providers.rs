//! The simulated providers against the client libraries of their vendors: what these accept without a gateway between
//! is what a gateway may be held to.

use anyhow::Result;
use tallygate_tests::provider::{Dialect, End, KEY, Provider, Reply};

use crate::sdk::{Outcome, SDKS, Sdk};

/// Each with the vendor it is made for, and everything that it can do.
async fn assert_all_pass(sdks: impl Iterator<Item = Sdk>) -> Result<()> {
    let mut count = 0;
    for sdk in sdks {
        let provider = Provider::start().await?;
        let outcomes = sdk.run(&provider.url(), KEY, model(sdk.dialect), &sdk.parts()).await?;
        let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
        assert!(failed.is_empty(), "{}: {failed:#?}\n{:#?}", sdk.name, provider.complaints());
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{}", sdk.name);
        count += 1;
    }
    assert!(count > 0);
    Ok(())
}

/// A name that Google's models of the third generation have, which sign their calls.
const fn model(dialect: Dialect) -> &'static str {
    if matches!(dialect, Dialect::GeminiGenerate) { "gemini-3-pro" } else { "simulated" }
}

async fn assert_speakers_pass(dialect: Dialect) -> Result<()> {
    assert_all_pass(SDKS.into_iter().filter(|sdk| sdk.dialect == dialect)).await
}

#[tokio::test]
async fn clients_of_chat_completions_are_served() -> Result<()> {
    assert_speakers_pass(Dialect::OpenaiChat).await
}

#[tokio::test]
async fn clients_of_responses_are_served() -> Result<()> {
    assert_speakers_pass(Dialect::OpenaiResponses).await
}

#[tokio::test]
async fn clients_of_messages_are_served() -> Result<()> {
    assert_speakers_pass(Dialect::AnthropicMessages).await
}

#[tokio::test]
async fn clients_of_generate_content_are_served() -> Result<()> {
    assert_speakers_pass(Dialect::GeminiGenerate).await
}

#[tokio::test]
async fn clients_of_ollama_are_served() -> Result<()> {
    assert_speakers_pass(Dialect::OllamaChat).await
}

#[tokio::test]
async fn a_client_tells_a_refusal_and_an_error_in_its_stream_from_an_answer() -> Result<()> {
    let provider = Provider::start().await?;
    for sdk in &SDKS[..5] {
        provider.next(Reply::refuse(500));
        provider.next(Reply::answer().then(End::Error(503)));
        let outcomes = sdk.run(&provider.url(), KEY, model(sdk.dialect), &["chat", "stream"]).await?;
        let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        assert_eq!(failed, 2, "{}: {outcomes:?}", sdk.name);
    }
    Ok(())
}
