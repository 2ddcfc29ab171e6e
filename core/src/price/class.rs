//! The classes of what a request can be charged for. Each has a price of its own, or that of the class it falls back to.

/// What a unit of usage is: a token of some kind, or the call itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A token of the prompt that is of no other class.
    Input,
    /// A token of the answer that is of no other class.
    Output,
    /// A token of the prompt that the provider read from its cache.
    CachedInput,
    /// A token of the prompt that the provider wrote to its cache, for minutes.
    CacheWrite,
    /// The same, kept for an hour.
    CacheWriteHour,
    /// A token of sound in the prompt.
    AudioInput,
    /// A token of an image in the prompt.
    ImageInput,
    /// A token that the model thought and did not say.
    Reasoning,
    /// A token of sound in the answer.
    AudioOutput,
    /// A token of an image in the answer.
    ImageOutput,
    /// The call, whatever its length.
    Request,
}

/// On which side of a call a class is counted: a bound is known of each side, not of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Tokens of the prompt.
    Prompt,
    /// Tokens of the answer.
    Answer,
    /// Neither: once a call.
    Call,
}

/// How many classes there are.
pub const CLASSES: usize = 11;

impl Class {
    /// All of them, in the order in which prices are stored.
    pub const ALL: [Self; CLASSES] = [
        Self::Input,
        Self::Output,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWriteHour,
        Self::AudioInput,
        Self::ImageInput,
        Self::Reasoning,
        Self::AudioOutput,
        Self::ImageOutput,
        Self::Request,
    ];

    /// The name of its price in events and commands.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Input => "input_pico_usd",
            Self::Output => "output_pico_usd",
            Self::CachedInput => "cached_input_pico_usd",
            Self::CacheWrite => "cache_write_pico_usd",
            Self::CacheWriteHour => "cache_write_1h_pico_usd",
            Self::AudioInput => "audio_input_pico_usd",
            Self::ImageInput => "image_input_pico_usd",
            Self::Reasoning => "reasoning_pico_usd",
            Self::AudioOutput => "audio_output_pico_usd",
            Self::ImageOutput => "image_output_pico_usd",
            Self::Request => "request_pico_usd",
        }
    }

    /// Whose price it costs when it has none of its own; none for what is free then.
    #[must_use]
    pub const fn falls_back_to(self) -> Option<Self> {
        match self {
            Self::CachedInput | Self::CacheWrite | Self::AudioInput | Self::ImageInput => Some(Self::Input),
            Self::CacheWriteHour => Some(Self::CacheWrite),
            Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Some(Self::Output),
            Self::Input | Self::Output | Self::Request => None,
        }
    }

    /// On which side of a call it is counted.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Input
            | Self::CachedInput
            | Self::CacheWrite
            | Self::CacheWriteHour
            | Self::AudioInput
            | Self::ImageInput => Side::Prompt,
            Self::Output | Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Side::Answer,
            Self::Request => Side::Call,
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn a_class_stands_at_its_own_index_and_falls_back_on_its_own_side() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
            assert!(class.falls_back_to().is_none_or(|other| other.side() == class.side()), "{class:?}");
        }
    }
}
