//! Any text as one token of a NATS subject, and back.
//!
//! A token may not be empty or hold dots, stars, `>` or white space; ids may. Letters, digits, `_` and `-` stay as they
//! are, every other byte of the UTF-8 text becomes `%` and two upper-case hexadecimal digits. Empty text is `-`, and the
//! text `-` is therefore `%2D`. Each text has one token and each token at most one text, so two ids never share a
//! subject. A text of n bytes takes at most 3n: two ids of 256 bytes stay far below the server's 4,096 bytes a line.

use std::fmt::Write as _;

/// What stands for empty text.
const EMPTY: &str = "-";

/// The token of a text.
#[must_use]
pub fn encode(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    if text == EMPTY {
        return "%2D".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(token, "%{byte:02X}");
        }
    }
    token
}

/// The text of a token; nothing when [`encode`] makes no such token.
#[must_use]
pub fn decode(token: &str) -> Option<String> {
    if token == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            _ => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    // Only the one spelling that `encode` makes: otherwise two subjects could mean the same id.
    (encode(&text) == token).then_some(text)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::{any, proptest};

    #[test]
    fn what_nats_forbids_in_a_token_is_escaped() {
        for (text, token) in [
            ("", "-"),
            ("-", "%2D"),
            ("--", "--"),
            ("key-5f3a", "key-5f3a"),
            ("a.b.*.>", "a%2Eb%2E%2A%2E%3E"),
            ("My Team", "My%20Team"),
            ("100%", "100%25"),
            ("模", "%E6%A8%A1"),
        ] {
            assert_eq!(encode(text), token);
            assert_eq!(decode(token).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_token_that_encode_does_not_make_has_no_text() {
        for token in ["", "%2d", "%41", "a.b", "%", "%4", "%ZZ", "%FF", "a b"] {
            assert_eq!(decode(token), None, "{token:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_its_token(text in any::<String>()) {
            let token = encode(&text);
            assert_eq!(decode(&token), Some(text));
            assert!(!token.is_empty());
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte)));
        }

        #[test]
        fn two_texts_never_share_a_token(one in any::<String>(), other in any::<String>()) {
            assert_eq!(encode(&one) == encode(&other), one == other);
        }

        #[test]
        fn two_tokens_never_share_a_text(token in "[-%0-9A-Fa-f.]{0,6}") {
            if let Some(text) = decode(&token) {
                assert_eq!(encode(&text), token);
            }
        }
    }
}
