//! Names and ids of tool calls in the forms that targets take. Rewriting is a pure function of the id, so that a history
//! stays consistent over calls, gateways and fallbacks; nothing is remembered.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// The longest id that every dialect takes.
const ID_CHARS_MAX: usize = 40;
/// The longest name of a tool.
const NAME_CHARS_MAX: usize = 64;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters and digits that stand for a text.
fn hashed(text: &str, length: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

/// An id of letters, digits, `_` and `-`, of at most 40 characters: the same if it is one.
#[must_use]
pub fn plain(id: &str) -> String {
    if !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(is_plain) {
        return id.to_owned();
    }
    format!("call_{}", hashed(id, 24))
}

/// An id of at most 40 characters: the same if it is one.
#[must_use]
pub fn short(id: &str) -> String {
    if !id.is_empty() && id.chars().count() <= ID_CHARS_MAX {
        id.to_owned()
    } else {
        format!("call_{}", hashed(id, 24))
    }
}

/// An id of nine letters and digits: the same if it is one.
#[must_use]
pub fn nine(id: &str) -> String {
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) { id.to_owned() } else { hashed(id, 9) }
}

/// An id for the call of an answer whose upstream gave none. `seed` is unique to the answer.
#[must_use]
pub fn minted(seed: &str, choice: u32, call: u32) -> String {
    format!("call_{}", hashed(&format!("{seed}/{choice}/{call}"), 24))
}

/// Names of tools as the target takes them, and back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// By the name that was sent: the client's. Only those that differ.
    back: BTreeMap<String, String>,
}

impl Names {
    /// The name to send for a client's name: letters, digits, `_` and `-`, at most 64.
    pub fn send(&mut self, name: &str) -> String {
        if !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_plain) {
            return name.to_owned();
        }
        let letters: String = name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).take(52).collect();
        let sent = format!("{letters}_{}", hashed(name, 8));
        self.back.insert(sent.clone(), name.to_owned());
        sent
    }

    /// The client's name for a name that was sent.
    #[must_use]
    pub fn back<'n>(&'n self, name: &'n str) -> &'n str {
        self.back.get(name).map_or(name, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, minted, nine, plain, short};

    #[test]
    fn what_fits_stays_and_what_does_not_becomes_the_same_every_time() {
        assert_eq!([plain("call_1-a"), short("a.b"), nine("abcDEF123")], ["call_1-a", "a.b", "abcDEF123"]);
        let odd = "functions.x:0";
        assert_eq!(plain(odd), plain(odd));
        assert_ne!(plain(odd), plain("functions.x:1"));
        let long = "x".repeat(200);
        for id in [plain(odd), plain(&long), short(&long), minted("seed", 0, 1), plain("")] {
            assert!(id.len() <= 40 && !id.is_empty() && id.chars().all(super::is_plain), "{id}");
        }
        assert!(nine("call_1").len() == 9 && nine("call_1").bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_tools_name_comes_back_as_the_client_wrote_it() {
        let mut names = Names::default();
        let (odd, like_it) = (names.send("mcp.server/tool"), names.send("mcp/server.tool"));
        assert_ne!(odd, like_it);
        assert_eq!([names.back(&odd), names.back(&like_it)], ["mcp.server/tool", "mcp/server.tool"]);
        let long = names.send(&"é".repeat(100));
        assert!(long.len() <= 64 && long.chars().all(super::is_plain));
        assert_eq!(names.send("plain"), "plain");
        assert_eq!(names.back("unknown"), "unknown");
    }
}
