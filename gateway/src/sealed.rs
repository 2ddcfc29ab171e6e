//! Messages that gateways of one installation send one another: JSON, with its MAC under the gateways' key behind it.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;

const TAG_HEX: usize = 64;

/// What a message is for: no message of one purpose passes for one of another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    pub(crate) name: &'static str,
    /// The longest message that is read, in bytes.
    pub(crate) max_bytes: usize,
}

impl Purpose {
    /// A value as a message.
    pub(crate) fn seal(self, value: &impl Serialize, key: &MacKey) -> Option<Bytes> {
        let mut message = serde_json::to_vec(value).ok()?;
        let tag = key.tag(self.name, &message);
        message.extend_from_slice(&tag.to_hex());
        Some(message.into())
    }

    /// Reads a message; nothing when it was not made for this purpose under this key.
    pub(crate) fn open<T: DeserializeOwned>(self, message: &[u8], key: &MacKey) -> Option<T> {
        if message.len() > self.max_bytes {
            return None;
        }
        let (value, tag) = message.split_at_checked(message.len().checked_sub(TAG_HEX)?)?;
        // See `Line::is_authentic` for why an early exit tells nothing.
        if Digest::from_hex(tag).ok()? != key.tag(self.name, value) {
            return None;
        }
        serde_json::from_slice(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::envelope::MacKey;

    use super::Purpose;

    #[test]
    fn a_message_is_read_for_its_purpose_only_and_up_to_its_length() {
        let (key, purpose) = (MacKey::new([3; 32]), Purpose { name: "one", max_bytes: 70 });
        let message = purpose.seal(&"word", &key).unwrap();
        assert_eq!(purpose.open(&message, &key), Some("word".to_owned()));
        assert_eq!(Purpose { name: "another", ..purpose }.open::<String>(&message, &key), None);
        assert_eq!(Purpose { max_bytes: 69, ..purpose }.open::<String>(&message, &key), None);
    }
}
