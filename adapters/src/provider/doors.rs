//! Where clients of each vendor's API call, and what they ask for there.

use tallygate_core::activity::Endpoint;

use crate::dialect::anthropic_messages::AnthropicMessages;
use crate::dialect::embeddings::Form;
use crate::dialect::gemini_generate::GeminiGenerate;
use crate::dialect::ollama_chat::OllamaChat;
use crate::dialect::openai_chat::Operation;
use crate::dialect::openai_chat::completions::{self, OpenaiCompletions};
use crate::dialect::openai_responses::{self, OpenaiResponses};
use crate::dialect::wire::Dialect;

/// What programs that are told which API to call know the gateway's own by.
pub const OWN_PROVIDER: &str = "openai-compatible";

/// What a route asks for.
#[derive(Debug, Clone, Copy)]
pub enum Asks {
    /// An operation whose body is read by its fields, in the dialect that most speak.
    Fields(Operation),
    /// A chat in a dialect of its own, under its name in activity.
    Chat(&'static dyn Dialect, Endpoint),
    /// Embeddings in another form than the usual one.
    Embeddings(Form),
}

/// A chat as messages of turns and blocks.
pub const MESSAGES: Asks = Asks::Chat(&AnthropicMessages, Endpoint::Messages);
/// A chat as a response made of items.
pub const RESPONSES: Asks = Asks::Chat(&OpenaiResponses, Endpoint::Responses);
/// A chat as generated content. Its model stands in the path.
pub const GENERATE: Asks = Asks::Chat(&GeminiGenerate, Endpoint::Generate);
/// The continuation of a text.
pub const COMPLETIONS: Asks = Asks::Chat(&OpenaiCompletions, Endpoint::Completions);
/// A chat in lines.
pub const LINES: Asks = Asks::Chat(&OllamaChat, Endpoint::Chat);

/// The methods of [`BY_MODEL_AND_METHOD`] that ask for embeddings.
pub const EMBEDDING_METHODS: [(&str, Asks); 2] =
    [("embedContent", Asks::Embeddings(Form::Content)), ("batchEmbedContents", Asks::Embeddings(Form::Contents))];

/// Where models are called by a `POST` to a path that says no more than what is asked for.
pub const PATHS: [(&str, Asks); 27] = [
    ("/v1/chat/completions", Asks::Fields(Operation::Chat)),
    ("/chat/completions", Asks::Fields(Operation::Chat)),
    ("/v1/embeddings", Asks::Fields(Operation::Embeddings)),
    ("/embeddings", Asks::Fields(Operation::Embeddings)),
    ("/v1/moderations", Asks::Fields(Operation::Moderations)),
    ("/moderations", Asks::Fields(Operation::Moderations)),
    ("/v1/images/generations", Asks::Fields(Operation::Images)),
    ("/images/generations", Asks::Fields(Operation::Images)),
    ("/v1/images/edits", Asks::Fields(Operation::ImageEdits)),
    ("/images/edits", Asks::Fields(Operation::ImageEdits)),
    ("/v1/images/variations", Asks::Fields(Operation::ImageVariations)),
    ("/images/variations", Asks::Fields(Operation::ImageVariations)),
    ("/v1/audio/speech", Asks::Fields(Operation::Speech)),
    ("/audio/speech", Asks::Fields(Operation::Speech)),
    ("/v1/audio/transcriptions", Asks::Fields(Operation::Transcriptions)),
    ("/audio/transcriptions", Asks::Fields(Operation::Transcriptions)),
    ("/v1/audio/translations", Asks::Fields(Operation::Translations)),
    ("/audio/translations", Asks::Fields(Operation::Translations)),
    ("/v1/completions", COMPLETIONS),
    ("/completions", COMPLETIONS),
    ("/v1/messages", MESSAGES),
    ("/anthropic/v1/messages", MESSAGES),
    ("/v1/responses", RESPONSES),
    ("/responses", RESPONSES),
    ("/api/chat", LINES),
    ("/api/embed", Asks::Embeddings(Form::Input)),
    ("/api/embeddings", Asks::Embeddings(Form::Prompt)),
];

/// Where the path names the model before the operation.
pub const BY_MODEL: [&str; 2] = ["/engines/{*rest}", "/openai/deployments/{*rest}"];
/// Where the path names the model, and after a colon what is done with it.
pub const BY_MODEL_AND_METHOD: [&str; 2] = ["/v1beta/models/{*rest}", "/gemini/v1beta/models/{*rest}"];
/// Where the same clients ask for all models.
pub const MODELS_BY_METHOD: &str = "/v1beta/models";
/// Where the tokens of messages are counted.
pub const COUNT_MESSAGES: [&str; 2] = ["/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"];

/// Who sends this header expects lists of models as [`MESSAGES`] has them.
pub const MESSAGES_HEADER: &str = "anthropic-version";

impl Asks {
    /// Its name in activity.
    #[must_use]
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::Fields(Operation::Chat) => Endpoint::Chat,
            Self::Fields(Operation::Embeddings) | Self::Embeddings(_) => Endpoint::Embeddings,
            Self::Fields(Operation::Moderations) => Endpoint::Moderations,
            Self::Fields(Operation::Images) => Endpoint::Images,
            Self::Fields(Operation::ImageEdits | Operation::ImageVariations) => Endpoint::ImageEdits,
            Self::Fields(Operation::Speech) => Endpoint::Speech,
            Self::Fields(Operation::Transcriptions | Operation::Translations) => Endpoint::Transcriptions,
            Self::Chat(_, endpoint) => endpoint,
        }
    }

    /// The dialect in which errors are told; none for LiteLLM's form of the usual one, which its siblings have too.
    #[must_use]
    pub fn error_dialect(self) -> Option<&'static dyn Dialect> {
        match self {
            Self::Fields(_) => None,
            Self::Embeddings(form) => Some(form.dialect()),
            Self::Chat(dialect, _) => {
                let has_own = ![openai_responses::NAME, completions::NAME].contains(&dialect.name());
                has_own.then_some(dialect)
            }
        }
    }
}
