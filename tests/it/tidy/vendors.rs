//! Vendors are data: their names stand in `adapters/src/provider` and nowhere else in production code.
//!
//! A name counts when it is a word of an identifier or of a string literal. The names of dialects count as their own:
//! `openai_chat` is a wire format that many vendors speak. Documentation, comments and tests may name whom they like.

use std::collections::BTreeMap;

use super::exceptions::Measure;
use super::source::{Source, Word};

/// The rows of vendors, once the provider adapter has them.
pub const ROWS: &str = "adapters/src/provider/vendors.toml";

/// Known whether or not a row names them: a name must not leak before its row is there.
const KNOWN: [&str; 28] = [
    "ai21",
    "anthropic",
    "azure",
    "bedrock",
    "cerebras",
    "cohere",
    "databricks",
    "deepinfra",
    "deepseek",
    "fireworks",
    "gemini",
    "google",
    "groq",
    "huggingface",
    "mistral",
    "moonshot",
    "nvidia",
    "ollama",
    "openai",
    "openrouter",
    "perplexity",
    "replicate",
    "sagemaker",
    "togetherai",
    "vertexai",
    "voyageai",
    "watsonx",
    "xai",
];

/// Names of vendors that are ordinary words too: they count only as a whole literal.
const ORDINARY: [&str; 2] = ["replicate", "together"];

/// The wire formats, each a module of `adapters/src/dialect`.
const DIALECTS: [&str; 5] = ["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate", "ollama_chat"];

/// Rooms whose business is a vendor's or a product's data: provider rows, the import from LiteLLM, the demo, load.
const EXEMPT: [&str; 4] = ["adapters/src/provider", "benches/", "tests/", "gateway/src/demo"];

/// The vendors' names: those that are always known and those of the rows.
pub fn names(rows: Option<&str>) -> Vec<String> {
    let rows: toml::Table = rows.and_then(|text| text.parse().ok()).unwrap_or_default();
    let listed = rows.iter().flat_map(|(key, value)| match value {
        toml::Value::Array(rows) => rows.iter().filter_map(row_name).collect(),
        toml::Value::Table(inner) if inner.values().all(toml::Value::is_table) => inner.keys().cloned().collect(),
        toml::Value::Table(_) => vec![key.clone()],
        _ => Vec::new(),
    });
    let mut names: Vec<String> = listed.map(|name| flat(&name)).chain(KNOWN.map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

fn row_name(row: &toml::Value) -> Option<String> {
    ["id", "name", "vendor"].iter().find_map(|key| Some(row.get(key)?.as_str()?.to_owned()))
}

/// How often each vendor is named in a file, as sizes over a limit of none.
pub fn leaks(source: &Source, vendors: &[String]) -> Vec<(usize, Measure)> {
    if EXEMPT.iter().any(|room| source.path.starts_with(room)) || of_litellm(&source.path) {
        return Vec::new();
    }
    let mut uses: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for word in &source.words {
        for vendor in named(word, vendors) {
            let speaks_it = own_dialect(&source.path).is_some_and(|dialect| dialect.starts_with(vendor));
            if !speaks_it {
                uses.entry(vendor).or_insert((word.line, 0)).1 += 1;
            }
        }
    }
    let measure = |(vendor, (line, count)): (&str, (usize, usize))| {
        (line, Measure::new("vendor", &format!("{}::{vendor}", source.path), count, 0))
    };
    uses.into_iter().map(measure).collect()
}

/// The vendors whose names are words of an identifier or literal.
fn named<'a>(word: &Word, vendors: &'a [String]) -> Vec<&'a str> {
    let words = words(&word.text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if let Some(length) = dialect_at(&words[at..]) {
            at += length;
            continue;
        }
        let one = words[at].clone();
        let two = words.get(at + 1).map(|next| format!("{one}{next}"));
        let hit = vendors.iter().find(|vendor| {
            let alone = !ORDINARY.contains(&vendor.as_str()) || (word.quoted && words.len() == 1);
            alone && (**vendor == one || two.as_ref() == Some(vendor))
        });
        found.extend(hit.map(String::as_str));
        at += 1;
    }
    found
}

/// How many of the words at the start of a list are a dialect's name.
fn dialect_at(words: &[String]) -> Option<usize> {
    let is_dialect = |joined: &str| DIALECTS.iter().any(|dialect| flat(dialect) == joined);
    (2..=3).find(|length| words.get(..*length).is_some_and(|words| is_dialect(&words.concat())))
}

/// `openaiChat`, `OpenAiChat` and `OPENAI_CHAT` as their words in lower case.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in text.chars() {
        let starts = !before.is_alphanumeric() || (letter.is_uppercase() && !before.is_uppercase());
        if letter.is_alphanumeric() {
            if starts {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
        }
        before = letter;
    }
    words
}

/// A name without its separators.
fn flat(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The dialect that a file is the code of: a file or folder is named after it.
fn own_dialect(path: &str) -> Option<&'static str> {
    let is_part = |dialect: &str| path.split(['/', '.']).any(|part| part == dialect);
    DIALECTS.iter().copied().find(|dialect| is_part(dialect))
}

/// Code that exists for LiteLLM's callers speaks of LiteLLM's vendors.
fn of_litellm(path: &str) -> bool {
    path.split(['/', '.']).any(|part| part == "litellm")
}

#[cfg(test)]
mod tests {
    use super::{leaks, names};
    use crate::tidy::source::Source;

    fn lines(path: &str, code: &str) -> Vec<usize> {
        let source = Source::read(path, &format!("//! X.\n{code}"));
        leaks(&source, &names(None)).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_vendors_name_in_code_is_found_however_it_is_spelt() {
        let bad = [
            "fn is_groq() {}",
            "struct OpenAiClient;",
            "const X: &str = \"OPENAI_API_KEY\";",
            "enum E { DeepSeek }",
            "fn x() { println!(\"azure-east\"); }",
            "mod mistral {}",
            "const HOST: &str = \"https://api.openai.com\";",
            "const V: &str = \"together\";",
        ];
        let known = names(Some("[together]\nurl = \"x\"\n"));
        for code in bad {
            let source = Source::read("gateway/src/x.rs", &format!("//! X.\n{code}"));
            assert_eq!(leaks(&source, &known).len(), 1, "{code}");
        }
    }

    #[test]
    fn dialects_ordinary_words_docs_and_tests_are_not_found() {
        let good = [
            "fn openai_chat() {}",
            "struct OpenAiChat;",
            "const X: &str = \"anthropic_messages\";",
            "fn stored_together() {}",
            "fn together() {}",
            "fn coherent() {}",
            "/// As openai does.\nfn x() {} // azure",
            "#[cfg(test)]\nmod tests { fn groq() {} }",
        ];
        good.iter().for_each(|code| assert_eq!(lines("gateway/src/x.rs", code), [0; 0], "{code}"));
    }

    #[test]
    fn the_rooms_of_vendors_may_name_them() {
        let code = "const X: &str = \"anthropic-version\";";
        assert_eq!(lines("gateway/src/http/routes.rs", code), [2]);
        assert_eq!(lines("adapters/src/provider/quirk.rs", code), [0; 0]);
        assert_eq!(lines("adapters/src/dialect/anthropic_messages/request.rs", code), [0; 0]);
        assert_eq!(lines("adapters/src/dialect/openai_chat.rs", code), [2]);
        assert_eq!(lines("gateway/src/http/litellm/model.rs", code), [0; 0]);
    }

    #[test]
    fn every_form_of_rows_is_read() {
        let forms = ["[acme]\nurl = \"x\"\n", "[vendors.acme]\nurl = \"x\"\n", "[[vendor]]\nname = \"Ac-me\"\n"];
        forms.iter().for_each(|rows| assert!(names(Some(rows)).contains(&"acme".to_owned()), "{rows}"));
    }
}
