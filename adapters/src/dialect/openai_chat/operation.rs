//! The operations of the dialect: what a body is for.

/// Which operation of the dialect a body is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /chat/completions`.
    Chat,
    /// `POST /embeddings`.
    Embeddings,
    /// `POST /moderations`.
    Moderations,
    /// `POST /images/generations`.
    Images,
    /// `POST /images/edits`: a form.
    ImageEdits,
    /// `POST /images/variations`: a form.
    ImageVariations,
    /// `POST /audio/speech`.
    Speech,
    /// `POST /audio/transcriptions`: a form.
    Transcriptions,
    /// `POST /audio/translations`: a form.
    Translations,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 9] = [
        Self::Chat,
        Self::Embeddings,
        Self::Moderations,
        Self::Images,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
    ];

    /// What follows the base URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Embeddings => "/embeddings",
            Self::Moderations => "/moderations",
            Self::Images => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::ImageVariations => "/images/variations",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
        }
    }

    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::Images | Self::ImageEdits | Self::ImageVariations => "images",
            Self::Speech => "speech",
            Self::Transcriptions | Self::Translations => "transcriptions",
        }
    }

    /// Whether its body is a form (`multipart/form-data`) and not JSON.
    #[must_use]
    pub const fn takes_form(self) -> bool {
        matches!(self, Self::ImageEdits | Self::ImageVariations | Self::Transcriptions | Self::Translations)
    }

    /// Whether it makes images, or has to do with sound.
    #[must_use]
    pub const fn is_media(self) -> bool {
        !matches!(self, Self::Chat | Self::Embeddings | Self::Moderations)
    }

    /// Whether it makes images.
    #[must_use]
    pub const fn makes_images(self) -> bool {
        matches!(self, Self::Images | Self::ImageEdits | Self::ImageVariations)
    }

    /// The field that holds the prompt.
    pub(super) const fn prompt_field(self) -> &'static str {
        match self {
            Self::Chat => "messages",
            Self::Embeddings | Self::Moderations | Self::Speech => "input",
            Self::Images | Self::ImageEdits => "prompt",
            Self::ImageVariations => "image",
            Self::Transcriptions | Self::Translations => "file",
        }
    }

    /// What the prompt must be, where it can be several things.
    pub(super) const fn prompt_form(self) -> &'static str {
        match self {
            Self::Chat => "a list of at least one message",
            Self::Embeddings => "a text, or a list of texts or tokens, and not empty",
            Self::Moderations => "a text, or a list of texts or images, and not empty",
            _ => "a text, and not empty",
        }
    }
}
