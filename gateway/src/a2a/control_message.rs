//! Control messages: texts that do not go to the model, and say how a conversation is to go on.

use super::rpc::Fault;

/// How each begins.
const PREFIX: &str = "[HOTSWAP:";
/// The longest prompt, in bytes.
pub(crate) const PROMPT_MAX_BYTES: usize = 32 * 1024;

/// What a control message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// Another model for the conversation, as its caller names it.
    Model(String),
    /// Another prompt for the system; none for no prompt.
    Prompt(Option<String>),
    /// How the conversation stands.
    Configuration,
}

impl Control {
    /// Reads a text. None for one that is for the model.
    ///
    /// # Errors
    /// A text that begins as a control message does, and is none: it would surprise to have it answered by the model.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, Fault> {
        let Some(rest) = text.trim().strip_prefix(PREFIX) else { return Ok(None) };
        let malformed = || {
            let expected = "write [HOTSWAP:MODEL:provider/model], [HOTSWAP:PROMPT:text] or [HOTSWAP:GET_CONFIG]";
            Fault::new(Fault::INVALID_PARAMS, format!("this is no control message: {expected}"))
        };
        let inner = rest.strip_suffix(']').ok_or_else(malformed)?;
        match inner.split_once(':') {
            None if inner == "GET_CONFIG" => Ok(Some(Self::Configuration)),
            Some(("MODEL", model)) if !model.trim().is_empty() => Ok(Some(Self::Model(model.trim().to_owned()))),
            Some(("PROMPT", prompt)) if prompt.len() > PROMPT_MAX_BYTES => {
                let message = format!("the prompt has {} bytes, and {PROMPT_MAX_BYTES} are the most", prompt.len());
                Err(Fault::new(Fault::INVALID_PARAMS, message))
            }
            Some(("PROMPT", prompt)) => {
                Ok(Some(Self::Prompt(Some(prompt.to_owned()).filter(|prompt| !prompt.trim().is_empty()))))
            }
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, PROMPT_MAX_BYTES};

    #[test]
    fn each_control_message_is_read_and_other_texts_are_for_the_model() {
        for (text, expected) in [
            ("Hello.", None),
            ("Say [HOTSWAP:GET_CONFIG]", None),
            ("[HOTSWAP:GET_CONFIG]", Some(Control::Configuration)),
            (" [HOTSWAP:MODEL:openai/gpt-5] \n", Some(Control::Model("openai/gpt-5".to_owned()))),
            ("[HOTSWAP:MODEL:a:b/c]", Some(Control::Model("a:b/c".to_owned()))),
            (
                "[HOTSWAP:PROMPT:Be [very] brief.\nSo: yes.]",
                Some(Control::Prompt(Some("Be [very] brief.\nSo: yes.".to_owned()))),
            ),
            ("[HOTSWAP:PROMPT:]", Some(Control::Prompt(None))),
        ] {
            assert_eq!(Control::read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_only_begins_as_a_control_message_reaches_no_model() {
        for text in [
            "[HOTSWAP:",
            "[HOTSWAP:]",
            "[HOTSWAP:MODEL:]",
            "[HOTSWAP:MODEL: ]",
            "[HOTSWAP:MODEL:a",
            "[HOTSWAP:KEY:a]",
            "[HOTSWAP:GET_CONFIG:]",
        ] {
            assert!(Control::read(text).is_err(), "{text}");
        }
        let prompt = |length: usize| Control::read(&format!("[HOTSWAP:PROMPT:{}]", "x".repeat(length)));
        assert!(prompt(PROMPT_MAX_BYTES).is_ok());
        assert!(prompt(PROMPT_MAX_BYTES + 1).is_err());
    }
}
