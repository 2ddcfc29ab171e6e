//! How many tokens a canonical request can have at most, before it is sent.

use tallygate_core::conversation::{Content, Part, Request, Source, ToolKind};

use super::metering::InputBound;

/// What translators add that no client sent: a tool for the form of the answer, fillers, words for a lost mark.
const ADDED_BYTES: u64 = 2_048;
/// What they add to each message, at most: a filler, or that a call has no result.
const ADDED_BYTES_A_MESSAGE: u64 = 64;

/// The bound of a request whose body had so many bytes.
#[must_use]
pub fn input(request: &Request, body_bytes: usize) -> InputBound {
    let mut bound = InputBound::default();
    let mut media_bytes = 0;
    for message in &request.messages {
        message.parts.iter().for_each(|part| add(&mut bound, &mut media_bytes, part));
    }
    let hosted = request.tools.iter().filter(|tool| matches!(tool.kind, ToolKind::Hosted { .. })).count();
    bound.opaque_parts += hosted as u64;
    bound.added_bytes = ADDED_BYTES + ADDED_BYTES_A_MESSAGE * request.messages.len() as u64;
    bound.text_bytes = (body_bytes as u64).saturating_sub(media_bytes);
    bound
}

fn add(bound: &mut InputBound, media_bytes: &mut u64, part: &Part) {
    let here = |source: &Source| if let Source::Base64 { data, .. } = source { data.len() as u64 } else { 0 };
    match &part.content {
        Content::Image { source, .. } => {
            bound.images += 1;
            *media_bytes += here(source);
        }
        // How long the sound behind an address is, nobody knows.
        Content::Audio { source, .. } if here(source) == 0 => bound.opaque_parts += 1,
        Content::Audio { source, .. } => {
            bound.audio_bytes += here(source);
            *media_bytes += here(source);
        }
        Content::File { source: Source::Plain(_), .. } => {}
        Content::File { .. } | Content::Other { .. } => bound.opaque_parts += 1,
        Content::ToolResult(result) => result.parts.iter().for_each(|part| add(bound, media_bytes, part)),
        Content::Text(_) | Content::Refusal(_) | Content::Thought(_) | Content::ToolCall(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDED_BYTES, input};
    use crate::dialect::metering::InputBound;
    use crate::dialect::of_name;
    use crate::dialect::wire::PathSays;

    #[test]
    fn media_are_counted_apart_from_text_in_results_of_tools_too() {
        let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAAAAAA"}},
            {"type":"document","source":{"type":"url","url":"https://x.y/z"}}]},
            {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[
            {"type":"image","source":{"type":"url","url":"https://x.y/z"}}]}]}],
            "tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
        let request = of_name("anthropic_messages").unwrap();
        let request = request.read_request(body.as_bytes(), &PathSays::default()).unwrap();
        let (text_bytes, added_bytes) = (body.len() as u64 - 8, ADDED_BYTES + 3 * 64);
        let bound = input(&request, body.len());
        assert_eq!(bound, InputBound { text_bytes, added_bytes, images: 2, audio_bytes: 0, opaque_parts: 2 });
        assert_eq!(bound.estimate(), text_bytes.div_ceil(4), "what may be added is not what was asked");
    }
}
