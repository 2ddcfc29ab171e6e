//! The selector's guide, its commands run as they stand there: only the address is put in its place. The guide sends no
//! key, so the reader has put it where curl looks for it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Deserializer, Value, json};
use tallygate_tests::gateway::MASTER_KEY;
use tallygate_tests::python::run_shell;

use super::{Selector, chosen};
use crate::scene::KeyTerms;

/// The address that the guide names.
const ADDRESS: &str = "http://localhost:7777";

/// Runs a block of the guide with a key, and gives the JSON that it wrote.
async fn run(selector: &Selector, block: &str, key: &str) -> Result<Vec<Value>> {
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join(".curlrc"), format!("silent\nheader = \"Authorization: Bearer {key}\"\n"))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guides").join(block);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    assert!(text.contains(ADDRESS), "{block} names no address");
    let text = text.replace(ADDRESS, selector.gateway.url());
    let output = run_shell(&text, &[("CURL_HOME", &home.path().to_string_lossy())]).await?.output;
    let read: Result<Vec<Value>, _> = Deserializer::from_str(&output).into_iter().collect();
    read.with_context(|| output)
}

#[tokio::test]
async fn the_guides_calls_get_the_guides_answers_with_a_users_key_and_with_the_operators() -> Result<()> {
    let selector = Selector::start().await?;
    let user = selector.key(KeyTerms::default()).await?.secret;
    for key in [user.as_str(), MASTER_KEY] {
        let told = run(&selector, "selector_tests.sh", key).await?;
        let [list, current, selected, providers] = told.as_slice() else { anyhow::bail!("{told:?}") };
        assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
        for model in list.as_array().into_iter().flatten().flat_map(|provider| provider["models"].as_array()).flatten()
        {
            for text in ["id", "name", "provider", "description"] {
                assert!(model[text].is_string(), "{text}: {model}");
            }
            assert!(model["context_window"].is_u64(), "{model}");
            for ability in ["supports_streaming", "supports_tools", "supports_vision", "is_reasoning"] {
                assert!(model[ability].is_boolean(), "{ability}: {model}");
            }
        }
        assert_eq!(
            (&current["model_id"], &current["provider"], &current["model_info"]),
            (&json!(null), &json!(null), &json!(null))
        );
        assert_eq!((&selected["model_id"], &selected["provider"]), (&json!("claude-sonnet-4-5"), &json!("anthropic")));
        assert_eq!(selected["model_info"], list[0]["models"][0]);
        assert_eq!(*providers, json!(["anthropic", "openai"]));
        let told = run(&selector, "selector_by_hand.sh", key).await?;
        assert_eq!((&told[0]["model_id"], &told[0]["provider"]), (&json!("gpt-4o"), &json!("openai")));
        assert_eq!(chosen(&selector.gateway.caller(key)?).await?, (json!("gpt-4o"), json!("openai")));
    }
    assert_eq!(selector.next_call(&selector.gateway.caller(&user)?, "current").await?, "gpt-4o");
    Ok(())
}
