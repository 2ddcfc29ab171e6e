//! What a gateway tells the others: where its control log is, and what its state there is, under the gateways' key.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_core::stream::{Head, Position};

use crate::sealed::Purpose;

/// An id of 256 bytes, and a few hundred more.
const CLAIM_MAX_BYTES: usize = 2_048;
const PURPOSE: Purpose = Purpose { name: "tallygate control claim 1", max_bytes: CLAIM_MAX_BYTES };

/// A gateway's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Whose word it is.
    pub(crate) gateway: WriterId,
    /// The last event that it has folded.
    pub(crate) head: Head,
    /// The digest of its rows at a position, where it has one.
    pub(crate) state: Option<StateClaim>,
    /// Whether it serves, or has only just stopped: after that it contradicts nobody any more.
    pub(crate) serves: bool,
}

/// What the rows at a position are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateClaim {
    pub(crate) position: Position,
    pub(crate) digest: Digest,
    /// What tables and events the rows are made of: gateways of different versions may have different ones.
    pub(crate) layout: Digest,
}

impl Claim {
    /// The claim as a message.
    pub(crate) fn seal(&self, key: &MacKey) -> Option<Bytes> {
        PURPOSE.seal(self, key)
    }

    /// Reads a message; nothing when it was not made under this key.
    pub(crate) fn open(message: &[u8], key: &MacKey) -> Option<Self> {
        PURPOSE.open(message, key)
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::digest::Digest;
    use tallygate_core::envelope::MacKey;
    use tallygate_core::id::WriterId;
    use tallygate_core::stream::{Head, Position};

    use super::{CLAIM_MAX_BYTES, Claim, StateClaim};

    #[test]
    fn a_claim_is_read_under_the_gateways_key_and_no_changed_byte_of_it_is() {
        let key = MacKey::new([3; 32]);
        let position = Position::new(7);
        let state = StateClaim { position, digest: Digest::of(b"rows"), layout: Digest::of(b"tables") };
        let claim = Claim {
            gateway: WriterId::new("g").unwrap(),
            head: Head { position, hash: Digest::of(b"line") },
            state: Some(state),
            serves: true,
        };
        let message = claim.seal(&key).unwrap();
        assert_eq!(Claim::open(&message, &key), Some(claim));
        assert_eq!(Claim::open(&message, &MacKey::new([4; 32])), None);
        for at in 0..message.len() {
            let mut changed = message.to_vec();
            changed[at] ^= 1;
            assert_eq!(Claim::open(&changed, &key), None, "byte {at}");
        }
        for short in [&b""[..], &message[..10], &vec![b'x'; CLAIM_MAX_BYTES + 1]] {
            assert_eq!(Claim::open(short, &key), None);
        }
    }
}
