//! How much text an answer holds, for an estimate when nobody tells its usage. It runs over every piece of every stream,
//! so it reads no more than it must and never fails.

use memchr::{memchr2, memmem};

/// Members whose strings are no text of the model's.
const NOT_TEXT: [&[u8]; 5] = [b"role", b"id", b"type", b"finish_reason", b"index"];

/// The bytes of text in every object under a member name, such as `"delta"`, in some JSON. The name is given with its
/// quotes: within a text the quotes would be escaped, so no text can look like it.
pub(super) fn under(name: &memmem::Finder<'_>, json: &[u8]) -> u64 {
    let mut text_bytes = 0_u64;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| name.find(rest)) {
        at += found + name.needle().len();
        let (bytes, read) = object(json.get(at..).unwrap_or_default());
        text_bytes += bytes;
        at += read;
    }
    text_bytes
}

/// The bytes of text in the object after a colon, and how many bytes were read.
fn object(json: &[u8]) -> (u64, usize) {
    let start = json.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b':')).unwrap_or(json.len());
    let (mut text_bytes, mut depth, mut at) = (0_u64, 0_u32, start);
    let mut member: &[u8] = b"";
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let length = string(json.get(at..).unwrap_or_default());
                let text = json.get(at..at + length).unwrap_or_default();
                at += length + 1;
                if json.get(at..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
                    member = text;
                } else if !NOT_TEXT.contains(&member) {
                    text_bytes += text.len() as u64;
                }
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    (text_bytes, at.min(json.len()))
}

/// The length of a string, from behind its opening quote to its closing one.
fn string(json: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if json.get(at + found) == Some(&b'"') {
            return at + found;
        }
        at += found + 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::under;
    use memchr::memmem::Finder;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    fn delta(json: &str) -> u64 {
        under(&Finder::new("\"delta\""), json.as_bytes())
    }

    #[test]
    fn text_of_every_kind_is_counted_and_nothing_else() {
        assert_eq!(
            delta(
                r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}"#
            ),
            5
        );
        assert_eq!(delta(r#"{"choices": [{"delta" : {"reasoning_content": "ab", "content": null}}]}"#), 2);
        assert_eq!(
            delta(
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#
            ),
            7
        );
        assert_eq!(
            delta(r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"bc"}}]}"#),
            3
        );
        assert_eq!(delta(r#"{"choices":[{"delta":{}}]}"#), 0);
    }

    #[test]
    fn text_that_looks_like_a_delta_is_text() {
        assert_eq!(delta(r#"{"choices":[{"delta":{"content":"{\"delta\":{\"content\":\"xxxx\"}}"}}]}"#), 34);
    }

    #[test]
    fn what_is_cut_off_is_counted_as_far_as_it_goes() {
        for cut in [
            "\"delta\"",
            "\"delta\":",
            "\"delta\":{",
            "\"delta\":{\"",
            "\"delta\":{\"content\":\"ab\\",
            "\"delta\":\"a",
        ] {
            assert!(delta(cut) <= 3, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let json = [b"\"delta\":".as_slice(), &bytes].concat();
            prop_assert!(under(&Finder::new("\"delta\""), &json) <= bytes.len() as u64);
        }
    }
}
