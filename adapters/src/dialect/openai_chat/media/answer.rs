//! Whole answers of images and sound: what they used. Their bytes go on as they are.

use serde::Deserialize;
use serde_json::value::RawValue;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::Asked;
use super::usage::Told;
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::error;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    text: Option<&'a RawValue>,
}

/// Reads a whole answer with a 2xx status.
///
/// # Errors
/// A [`Failure`] when it is an error after all, or neither JSON nor the text that was asked for: [`Kind::Protocol`].
pub fn read(asked: &Asked, status: u16, body: &[u8]) -> Result<Metered, Failure> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let head: Option<Head<'_>> = is_object.then(|| serde_json::from_slice(body).ok()).flatten();
    match head {
        Some(head) if head.error.is_some() => Err(error::within_answer(body, status)),
        Some(head) => {
            let text_bytes = head.text.map_or(0, |text| text.get().len() as u64);
            Ok(head.usage.and_then(Told::read).unwrap_or_default().metered(asked, text_bytes))
        }
        None if asked.wants_text && std::str::from_utf8(body).is_ok() => {
            Ok(Told::default().metered(asked, body.len() as u64))
        }
        None => Err(Failure::new(Kind::Protocol)),
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::dialect::metering::InputBound;
    use crate::dialect::openai_chat::Operation;
    use crate::dialect::openai_chat::media::Asked;
    use tallygate_core::port::provider::failure::Kind;

    const ASKED: Asked = Asked {
        operation: Operation::Transcriptions,
        count: 1,
        input: InputBound { text_bytes: 8, added_bytes: 0, images: 0, audio_bytes: 0, opaque_parts: 0 },
        spoken_bytes: 0,
        file_bytes: 3_200,
        wants_text: false,
    };

    #[test]
    fn json_tells_its_usage_and_a_text_is_estimated() {
        let told = read(&ASKED, 200, br#" {"text":"a","usage":{"type":"duration","seconds":3}}"#).unwrap();
        assert_eq!((told.usage.audio_input_tokens, told.estimated), (30, false));
        let silent = read(&ASKED, 200, br#"{"text":"12345678"}"#).unwrap();
        assert_eq!((silent.usage.audio_input_tokens, silent.usage.output_tokens, silent.estimated), (2, 3, true));
        let text = Asked { wants_text: true, ..ASKED };
        let captions = read(&text, 200, b"1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
        assert_eq!((captions.usage.output_tokens, captions.estimated), (10, true));
    }

    #[test]
    fn an_error_and_what_was_not_asked_for_are_failures() {
        let said = read(&ASKED, 200, br#"{"error":{"message":"no","code":"x"}}"#).unwrap_err();
        assert!(said.said.is_some());
        for body in [b"a text".as_slice(), b"", b"{\"cut", b"[]"] {
            assert_eq!(read(&ASKED, 200, body).unwrap_err().kind, Kind::Protocol);
        }
        let text = Asked { wants_text: true, ..ASKED };
        assert_eq!(read(&text, 200, b"\xff\xfe").unwrap_err().kind, Kind::Protocol);
    }
}
