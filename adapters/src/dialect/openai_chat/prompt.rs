//! What a prompt is made of, counted while the body is read.

use std::ops::Range;

use crate::dialect::json::Visit;
use crate::dialect::metering::InputBound;

/// Members of a message's part, by their depth in the body: object, messages, message, content, part.
const PART_DEPTH: u32 = 5;
const CONTENT_DEPTH: u32 = 4;
const MESSAGE_DEPTH: u32 = 3;
const TOP_DEPTH: u32 = 1;
/// Members of parts that are text, or say something about text.
const TEXT_MEMBERS: [&str; 8] =
    ["type", "text", "refusal", "cache_control", "prompt_cache_breakpoint", "annotations", "thinking", "signature"];

/// Counts media as the reader comes by. A part is inside a message only once the reader has seen where it is, so counts
/// climb: from part to message to body, and are dropped where it was no message after all.
#[derive(Default)]
pub(super) struct PromptCounter {
    part: Media,
    message: Media,
    body: Media,
}

#[derive(Default, Clone, Copy)]
struct Media {
    images: u64,
    audio_bytes: u64,
    opaque_parts: u64,
    /// Bytes that are media and not text.
    media_bytes: u64,
}

impl Media {
    fn add(&mut self, other: &mut Self) {
        self.images += other.images;
        self.audio_bytes += other.audio_bytes;
        self.opaque_parts += other.opaque_parts;
        self.media_bytes += other.media_bytes;
        *other = Self::default();
    }
}

impl PromptCounter {
    /// The bound for a body of so many bytes.
    pub(super) const fn bound(&self, body_bytes: usize) -> InputBound {
        InputBound {
            text_bytes: (body_bytes as u64).saturating_sub(self.body.media_bytes),
            added_bytes: 0,
            images: self.body.images,
            audio_bytes: self.body.audio_bytes,
            opaque_parts: self.body.opaque_parts,
        }
    }

    fn part_member(&mut self, name: &str, bytes: u64) {
        match name {
            "image_url" => {
                self.part.images += 1;
                self.part.media_bytes += bytes;
            }
            "input_audio" => {
                self.part.audio_bytes += bytes;
                self.part.media_bytes += bytes;
            }
            name if TEXT_MEMBERS.contains(&name) => {}
            _ => self.part.opaque_parts += 1,
        }
    }
}

impl Visit for PromptCounter {
    fn member(&mut self, depth: u32, name: &str, value: Range<usize>) {
        match (depth, name) {
            (PART_DEPTH, _) => self.part_member(name, value.len() as u64),
            // Content that is neither text nor a list of parts: nobody knows what an upstream makes of it.
            (CONTENT_DEPTH, _) => self.part.opaque_parts += 1,
            (MESSAGE_DEPTH, "content") => self.message.add(&mut self.part),
            // An earlier answer in sound, by its id: only the provider knows how long it is.
            (MESSAGE_DEPTH, "audio") => {
                self.part = Media::default();
                self.message.opaque_parts += 1;
            }
            (MESSAGE_DEPTH, _) => self.part = Media::default(),
            (TOP_DEPTH, "messages") => self.body.add(&mut self.message),
            (TOP_DEPTH, "web_search_options") => {
                self.message = Media::default();
                self.body.opaque_parts += 1;
            }
            (TOP_DEPTH, _) => self.message = Media::default(),
            _ => {}
        }
    }
}
