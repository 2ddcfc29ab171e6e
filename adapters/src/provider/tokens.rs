//! Counting tokens here, where no provider is asked: by the vocabularies that are public, and by an estimate elsewhere.
//!
//! What this says is shown to people and used for estimates. It bounds no hold: for that a request's bytes are taken
//! ([`crate::dialect::metering::InputBound`]), since a tokenizer is exact for a text and not for what a provider's template
//! makes of a chat. The vocabularies are within the program; nothing is fetched. The first count of each takes about as long
//! as reading a few megabytes; a count takes a fraction of a millisecond a kilobyte, so texts of any length belong on a
//! thread that may block.

use serde_json::Value;
use tallygate_core::id::VendorId;
use tiktoken_rs::CoreBPE;

use crate::dialect::metering::estimate;

/// A longer text is estimated, in bytes: nobody waits for seconds to be told a number.
pub const COUNTED_MAX_BYTES: usize = 1024 * 1024;
/// The text is counted in pieces of this length, in bytes: within a piece a run of one letter takes longer than its length,
/// and the tokenizer gives up on one of a megabyte.
const PIECE_MAX_BYTES: usize = 8 * 1024;
/// What surrounds a message in a chat: its start, its role, its end.
const TOKENS_A_MESSAGE: u64 = 3;
/// What a message's name takes beside its text.
const TOKENS_A_NAME: u64 = 1;
/// What every answer is primed with.
const TOKENS_A_CHAT: u64 = 3;

/// Which vendors' models have which vocabulary, by the beginnings of their names. The longest beginning wins.
const VOCABULARIES: [(&str, &str, Vocabulary); 11] = [
    ("openai", "gpt-5", Vocabulary::O200k),
    ("openai", "gpt-4.1", Vocabulary::O200k),
    ("openai", "gpt-4o", Vocabulary::O200k),
    ("openai", "chatgpt-4o", Vocabulary::O200k),
    ("openai", "o1", Vocabulary::O200k),
    ("openai", "o3", Vocabulary::O200k),
    ("openai", "o4", Vocabulary::O200k),
    ("openai", "gpt-4", Vocabulary::Cl100k),
    ("openai", "gpt-3.5", Vocabulary::Cl100k),
    ("openai", "gpt-35", Vocabulary::Cl100k),
    ("openai", "text-embedding-", Vocabulary::Cl100k),
];
/// Vendors that serve another vendor's models.
const SERVE_THE_SAME: [(&str, &str); 1] = [("azure", "openai")];

/// A public vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// `o200k_base`.
    O200k,
    /// `cl100k_base`.
    Cl100k,
}

/// How many tokens something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The tokens.
    pub tokens: u64,
    /// The vocabulary they were counted by; none if they are estimated: a quarter of the bytes.
    pub vocabulary: Option<Vocabulary>,
}

/// What is to be counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// The messages of a chat, as JSON. Text is counted; images, sound and files are not.
    Messages(Vec<Value>),
    /// The turns of a chat in any dialect, its instructions and its tools, as JSON. Every text within is counted, wherever
    /// it stands, but for what is no text of a prompt: ids, marks, and data of images, sound and files.
    Turns(Vec<Value>),
}

impl Vocabulary {
    /// The vocabulary of a vendor's model, if it is public.
    #[must_use]
    pub fn of(vendor: &VendorId, upstream_model: &str) -> Option<Self> {
        let same = SERVE_THE_SAME.iter().find(|(vendor_too, _)| *vendor_too == vendor.as_str());
        let vendor = same.map_or(vendor.as_str(), |(_, vendor)| vendor);
        let known = VOCABULARIES.iter().filter(|(of, start, _)| *of == vendor && upstream_model.starts_with(start));
        known.max_by_key(|(_, start, _)| start.len()).map(|(_, _, vocabulary)| *vocabulary)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::O200k => "o200k_base",
            Self::Cl100k => "cl100k_base",
        }
    }

    /// How many tokens a text is. A long text is counted in pieces, which can make it a token longer a piece.
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        let tokenizer = self.tokenizer();
        pieces(text).map(|piece| tokenizer.count_ordinary(piece) as u64).sum()
    }

    fn tokenizer(self) -> &'static CoreBPE {
        match self {
            Self::O200k => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100k => tiktoken_rs::cl100k_base_singleton(),
        }
    }
}

/// How many tokens a prompt is, by a vocabulary if there is one and the prompt is not too long. It may take a second, and
/// belongs on a thread that may block.
#[must_use]
pub fn count(vocabulary: Option<Vocabulary>, prompt: &Prompt) -> Count {
    let vocabulary = vocabulary.filter(|_| prompt.text_bytes() <= COUNTED_MAX_BYTES);
    let of_text = |text: &str| match vocabulary {
        Some(vocabulary) => vocabulary.count(text),
        None => estimate(text.len() as u64),
    };
    let tokens = match prompt {
        Prompt::Text(text) => of_text(text),
        Prompt::Messages(messages) => {
            let of_message = |message: &Value| {
                let texts: u64 = texts(message).map(of_text).sum();
                let name = if message.get("name").is_some() { TOKENS_A_NAME } else { 0 };
                TOKENS_A_MESSAGE + name + texts
            };
            TOKENS_A_CHAT + messages.iter().map(of_message).sum::<u64>()
        }
        Prompt::Turns(turns) => {
            let of_turn = |turn: &Value| TOKENS_A_MESSAGE + all_texts(turn).into_iter().map(of_text).sum::<u64>();
            TOKENS_A_CHAT + turns.iter().map(of_turn).sum::<u64>()
        }
    };
    Count { tokens, vocabulary }
}

impl Prompt {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Messages(messages) => messages.iter().flat_map(texts).map(str::len).sum(),
            Self::Turns(turns) => turns.iter().flat_map(all_texts).map(str::len).sum(),
        }
    }
}

/// The texts of a message: its role, its name, its content, and what it calls.
fn texts(message: &Value) -> impl Iterator<Item = &str> {
    let own = ["role", "name", "content"].into_iter().filter_map(move |name| message.get(name)?.as_str());
    let list = |name: &str| message.get(name).and_then(Value::as_array).into_iter().flatten();
    let parts = list("content").chain(list("parts")).filter_map(|part| part.get("text")?.as_str());
    let calls = list("tool_calls").filter_map(|call| call.get("function"));
    let calls =
        calls.flat_map(|call| ["name", "arguments"].into_iter().filter_map(move |name| call.get(name)?.as_str()));
    own.chain(parts).chain(calls)
}

/// Members that hold no text of a prompt, in any dialect.
const NO_TEXT: [&str; 14] = [
    "data",
    "url",
    "file_id",
    "fileUri",
    "media_type",
    "mimeType",
    "mime_type",
    "signature",
    "thoughtSignature",
    "encrypted_content",
    "type",
    "id",
    "tool_use_id",
    "cache_control",
];

/// Every text within.
fn all_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(all_texts).collect(),
        Value::Object(members) => {
            let told = members.iter().filter(|(name, _)| !NO_TEXT.contains(&name.as_str()));
            told.flat_map(|(_, value)| all_texts(value)).collect()
        }
        _ => Vec::new(),
    }
}

/// A text in pieces, cut before a space where there is one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(cut(rest));
        rest = after;
        Some(piece)
    })
}

fn cut(text: &str) -> usize {
    if text.len() <= PIECE_MAX_BYTES {
        return text.len();
    }
    let most = (0..=PIECE_MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[..most].rfind(' ').filter(|at| *at > 0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::{COUNTED_MAX_BYTES, Count, PIECE_MAX_BYTES, Prompt, Vocabulary, count, pieces};
    use proptest::prelude::{prop_assert_eq, proptest};
    use serde_json::json;
    use tallygate_core::id::VendorId;

    fn vendor(id: &str) -> VendorId {
        VendorId::new(id).unwrap()
    }

    #[test]
    fn a_model_has_its_vendors_vocabulary_or_none() {
        let of = |id: &str, model| Vocabulary::of(&vendor(id), model);
        assert_eq!(of("openai", "gpt-5-mini"), Some(Vocabulary::O200k));
        assert_eq!(of("openai", "gpt-4o-2024-08-06"), Some(Vocabulary::O200k), "the longest beginning wins");
        assert_eq!(of("openai", "gpt-4-turbo"), Some(Vocabulary::Cl100k));
        assert_eq!(of("azure", "gpt-35-turbo"), Some(Vocabulary::Cl100k));
        assert_eq!(of("openai", "whisper-1"), None);
        assert_eq!(of("openai-compatible", "gpt-4o"), None, "nobody knows what is behind it");
        assert_eq!(of("anthropic", "claude-opus-5"), None);
    }

    #[test]
    fn text_is_counted_by_the_vocabulary() {
        // As the published tokenizer counts them.
        assert_eq!(Vocabulary::Cl100k.count("tiktoken is great!"), 6);
        assert_eq!(Vocabulary::O200k.count("hello world"), 2);
        assert_eq!(Vocabulary::O200k.count(""), 0);
        let counted = count(Some(Vocabulary::O200k), &Prompt::Text("hello world".to_owned()));
        assert_eq!(counted, Count { tokens: 2, vocabulary: Some(Vocabulary::O200k) });
        // A marker that is written out is text.
        assert!(Vocabulary::O200k.count("<|endoftext|>") > 1);
    }

    #[test]
    fn a_chat_is_its_texts_and_what_surrounds_them() {
        let messages = vec![
            json!({"role": "user", "content": "hello world"}),
            json!({"role": "assistant", "name": "bob", "content": [{"type": "text", "text": "hello world"}, {"type": "image_url", "image_url": {"url": "data:"}}]}),
        ];
        let counted = count(Some(Vocabulary::O200k), &Prompt::Messages(messages.clone()));
        // Three for the chat, three a message, one for a name; the roles and the name are one token each.
        assert_eq!(counted.tokens, 3 + (3 + 1 + 2) + (3 + 1 + 1 + 1 + 2));
        let estimated = count(None, &Prompt::Messages(messages));
        assert_eq!(estimated, Count { tokens: 3 + (3 + 1 + 3) + (3 + 1 + 3 + 1 + 3), vocabulary: None });
    }

    #[test]
    fn of_turns_every_text_is_counted_and_no_data() {
        let turn = json!({"role": "user", "content": [
            {"type": "text", "text": "hello world"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAAAAAAAAAAAAAAAAAA"}},
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "hello world"}]},
        ]});
        let counted = count(Some(Vocabulary::O200k), &Prompt::Turns(vec![turn]));
        // The role and the kind of the source's data are told by their names alone.
        assert_eq!(counted.tokens, 3 + 3 + 1 + 2 + 2);
    }

    #[test]
    fn no_text_is_too_much_for_the_tokenizer() {
        for text in [" ".repeat(COUNTED_MAX_BYTES), "a".repeat(100_000), "é漢".repeat(20_000), "\n".repeat(100_000)] {
            let tokens = Vocabulary::O200k.count(&text);
            assert!((1..=text.len() as u64).contains(&tokens));
        }
        let long = Prompt::Text("a ".repeat(COUNTED_MAX_BYTES));
        let estimated = count(Some(Vocabulary::O200k), &long);
        assert_eq!(estimated, Count { tokens: COUNTED_MAX_BYTES as u64 / 2, vocabulary: None });
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole_text_and_none_is_too_long(words in proptest::collection::vec("\\PC{0,40}", 0..2_000)) {
            let text = words.join(" ");
            prop_assert_eq!(pieces(&text).collect::<String>(), text.clone());
            prop_assert_eq!(pieces(&text).find(|piece| piece.len() > PIECE_MAX_BYTES), None);
        }

        #[test]
        fn a_token_is_at_least_one_byte(text in "\\PC{0,200}") {
            proptest::prop_assert!(Vocabulary::O200k.count(&text) <= text.len() as u64);
        }
    }
}
