//! From a path to what is asked for, and in which vendor's format.

use super::Dialect;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Converse,
    CountTokens,
    Embed,
    EmbedBatch,
    /// In a form that is out of fashion: one text.
    EmbedOne,
    Moderate,
    Draw,
    /// Images made of images.
    Redraw,
    Speak,
    Transcribe,
    Complete,
    ListModels,
}

/// A path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) dialect: Dialect,
    pub(super) task: Task,
    /// The model, where the path names it.
    pub(super) model: Option<String>,
    /// Whether the path asks for a stream.
    pub(super) streams: bool,
    /// Whether it is a deployment of Azure's, which differs in how it is called and not in what is said.
    pub(super) is_azure: bool,
}

impl Route {
    /// The route of a path without its query; nothing when no vendor has it.
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/v1beta/models") {
            return gemini(method, rest);
        }
        // Google's own library leaves out `beta`. The list below `/v1` is OpenAI's and Anthropic's.
        if let Some(rest) = path.strip_prefix("/v1/models/") {
            return gemini(method, &format!("/{rest}"));
        }
        if let Some(rest) = path.strip_prefix("/openai/deployments/") {
            let (deployment, rest) = rest.split_once('/')?;
            let route = plain(method, &format!("/v1/{rest}"))?;
            let spoken = matches!(route.dialect, Dialect::OpenaiChat);
            return spoken.then(|| Self { model: Some(deployment.to_owned()), is_azure: true, ..route });
        }
        plain(method, path)
    }

    const fn new(dialect: Dialect, task: Task) -> Self {
        Self { dialect, task, model: None, streams: false, is_azure: false }
    }
}

fn plain(method: &str, path: &str) -> Option<Route> {
    let (dialect, task) = match (method, path) {
        ("POST", "/v1/chat/completions") => (Dialect::OpenaiChat, Task::Converse),
        ("POST", "/v1/completions") => (Dialect::OpenaiChat, Task::Complete),
        ("POST", "/v1/embeddings") => (Dialect::OpenaiChat, Task::Embed),
        ("POST", "/v1/moderations") => (Dialect::OpenaiChat, Task::Moderate),
        ("POST", "/v1/images/generations") => (Dialect::OpenaiChat, Task::Draw),
        ("POST", "/v1/audio/speech") => (Dialect::OpenaiChat, Task::Speak),
        ("POST", "/v1/images/edits" | "/v1/images/variations") => (Dialect::OpenaiChat, Task::Redraw),
        ("POST", "/v1/audio/transcriptions" | "/v1/audio/translations") => (Dialect::OpenaiChat, Task::Transcribe),
        ("GET", "/v1/models") => (Dialect::OpenaiChat, Task::ListModels),
        ("POST", "/v1/responses") => (Dialect::OpenaiResponses, Task::Converse),
        ("POST", "/v1/messages") => (Dialect::AnthropicMessages, Task::Converse),
        ("POST", "/v1/messages/count_tokens") => (Dialect::AnthropicMessages, Task::CountTokens),
        ("POST", "/api/chat") => (Dialect::OllamaChat, Task::Converse),
        ("POST", "/api/embed") => (Dialect::OllamaChat, Task::Embed),
        ("POST", "/api/embeddings") => (Dialect::OllamaChat, Task::EmbedOne),
        ("GET", "/api/tags") => (Dialect::OllamaChat, Task::ListModels),
        _ => return None,
    };
    Some(Route::new(dialect, task))
}

/// What follows `/v1beta/models`: nothing for the list, `/MODEL:action` for the rest.
fn gemini(method: &str, rest: &str) -> Option<Route> {
    if method == "GET" && rest.is_empty() {
        return Some(Route::new(Dialect::GeminiGenerate, Task::ListModels));
    }
    let (model, action) = rest.strip_prefix('/').filter(|_| method == "POST")?.rsplit_once(':')?;
    let (task, streams) = match action {
        "generateContent" => (Task::Converse, false),
        "streamGenerateContent" => (Task::Converse, true),
        "countTokens" => (Task::CountTokens, false),
        "embedContent" => (Task::Embed, false),
        "batchEmbedContents" => (Task::EmbedBatch, false),
        _ => return None,
    };
    Some(Route { model: Some(model.to_owned()), streams, ..Route::new(Dialect::GeminiGenerate, task) })
}
