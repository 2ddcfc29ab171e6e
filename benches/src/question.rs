//! What the load sends, in whatever dialect, and how it knows a whole answer.

use bytes::Bytes;

/// A request that is built once and sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Where it is asked.
    pub(crate) path: &'static str,
    /// The whole body.
    pub(crate) body: Bytes,
    /// The last bytes of a complete answer.
    pub(crate) ending: &'static [u8],
}
