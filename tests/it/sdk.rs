//! Client libraries as they come from PyPI and npm, and the scripts that speak through them.
//!
//! A script prints one line for each part that it was asked for: `PART ok`, or `PART failed: why`.

use anyhow::{Result, bail};
use tallygate_tests::provider::Dialect;
use tallygate_tests::{node, python};

/// What every chat client can do.
const PLAIN: [&str; 4] = ["chat", "stream", "tools", "tools-streamed"];

/// A client library, and how its script is run.
#[derive(Debug, Clone, Copy)]
pub struct Sdk {
    /// As people know it.
    pub name: &'static str,
    /// What it speaks.
    pub dialect: Dialect,
    script: &'static str,
    /// What the AI SDK's script is told to speak through.
    provider: Option<&'static str>,
    /// What it wants below the address of a server.
    path: &'static str,
    /// What it wants before the name of a model.
    prefix: &'static str,
    /// What it can do beside chat, streams and tools.
    more: &'static [&'static str],
}

/// What came of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The part.
    pub part: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

const fn of_python(name: &'static str, dialect: Dialect, script: &'static str, more: &'static [&'static str]) -> Sdk {
    Sdk { name, dialect, script, provider: None, path: "", prefix: "", more }
}

const fn of_npm(name: &'static str, dialect: Dialect, provider: &'static str, more: &'static [&'static str]) -> Sdk {
    Sdk { name, dialect, script: "by_ai_sdk.cjs", provider: Some(provider), path: "/v1", prefix: "", more }
}

/// Every client. The first of each dialect stands for it.
pub const SDKS: [Sdk; 13] = [
    Sdk {
        path: "/v1",
        ..of_python(
            "openai (Python), chat",
            Dialect::OpenaiChat,
            "chat_by_openai.py",
            &["images", "reasoning", "schema", "embed", "drawn", "spoken", "heard"],
        )
    },
    Sdk {
        path: "/v1",
        ..of_python(
            "openai (Python), Responses",
            Dialect::OpenaiResponses,
            "responses_by_openai.py",
            &["images", "reasoning", "schema", "stored"],
        )
    },
    of_python(
        "anthropic",
        Dialect::AnthropicMessages,
        "messages_by_anthropic.py",
        &["images", "reasoning", "schema", "count"],
    ),
    of_python(
        "google-genai",
        Dialect::GeminiGenerate,
        "generate_by_google.py",
        &["images", "reasoning", "schema", "embed", "count"],
    ),
    of_python("ollama", Dialect::OllamaChat, "chat_by_ollama.py", &["images", "reasoning", "schema", "embed"]),
    Sdk {
        path: "/v1",
        prefix: "openai/",
        ..of_python("litellm", Dialect::OpenaiChat, "chat_by_litellm.py", &["embed"])
    },
    Sdk {
        path: "/v1",
        ..of_python("langchain-openai", Dialect::OpenaiChat, "chat_by_langchain.py", &["images", "schema", "embed"])
    },
    Sdk { script: "chat_by_openai.cjs", ..of_npm("openai (npm)", Dialect::OpenaiChat, "", &["images", "embed"]) },
    of_npm("@ai-sdk/openai, Responses", Dialect::OpenaiResponses, "openai", &["images", "reasoning", "schema"]),
    of_npm("@ai-sdk/openai, chat", Dialect::OpenaiChat, "chat", &["images", "schema", "embed"]),
    of_npm("@ai-sdk/anthropic", Dialect::AnthropicMessages, "anthropic", &["images", "reasoning", "schema"]),
    Sdk {
        path: "/v1beta",
        ..of_npm("@ai-sdk/google", Dialect::GeminiGenerate, "google", &["images", "reasoning", "schema", "embed"])
    },
    of_npm("@ai-sdk/openai-compatible", Dialect::OpenaiChat, "compatible", &["images", "reasoning", "schema", "embed"]),
];

impl Sdk {
    /// Everything that it can do.
    pub fn parts(&self) -> Vec<&'static str> {
        PLAIN.iter().chain(self.more).copied().collect()
    }

    /// Runs these parts against a server, with this key and model.
    ///
    /// # Errors
    /// When the script cannot be run, or says nothing of a part.
    pub async fn run(&self, server: &str, key: &str, model: &str, parts: &[&str]) -> Result<Vec<Outcome>> {
        let (base, model) = (format!("{server}{}", self.path), format!("{}{model}", self.prefix));
        let arguments: Vec<&str> = std::iter::once(model.as_str()).chain(parts.iter().copied()).collect();
        let provider = self.provider.unwrap_or_default();
        let environment = [("BASE_URL", base.as_str()), ("API_KEY", key), ("PROVIDER", provider)];
        let ended = if self.provider.is_some() {
            node::run_script(self.script, &arguments, &environment).await?
        } else {
            python::run_script(&format!("clients/{}", self.script), &arguments, &environment).await?
        };
        parts.iter().map(|part| outcome(self.name, part, &ended.output)).collect()
    }
}

/// What the output says of a part.
fn outcome(name: &str, part: &str, output: &str) -> Result<Outcome> {
    let said = output.lines().find_map(|line| line.strip_prefix(part)?.strip_prefix(' '));
    let failure = match said {
        Some("ok") => None,
        Some(why) => Some(why.trim_start_matches("failed: ").to_owned()),
        None => bail!("{name} says nothing of {part}:\n{output}"),
    };
    Ok(Outcome { part: part.to_owned(), failure })
}

#[test]
fn what_a_script_says_of_a_part_is_read_exactly() {
    let output = "a warning\ntools-streamed failed: no call\ntools ok\n";
    assert_eq!(outcome("x", "tools", output).unwrap().failure, None);
    assert_eq!(outcome("x", "tools-streamed", output).unwrap().failure.as_deref(), Some("no call"));
    assert!(outcome("x", "stream", output).is_err());
}
