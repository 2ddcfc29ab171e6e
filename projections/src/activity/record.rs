//! Usage records: what is known of single requests.

use std::sync::Arc;

use tallygate_core::activity::{RequestRefused, RequestSettled};
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::time::Timestamp;

/// What is known of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The realm that asked; none for a refused request without a known key.
    pub realm: Option<RealmId>,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub ending: Ending,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It reached an upstream, and this is what it used.
    Settled(Arc<RequestSettled>),
    /// It was refused before.
    Refused(RequestRefused),
}

impl UsageRecord {
    /// The key that asked, if it is known.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        match &self.ending {
            Ending::Settled(settled) => Some(settled.key),
            Ending::Refused(refused) => refused.key,
        }
    }

    /// When the request came in; for a refused one, when it was refused.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        match &self.ending {
            Ending::Settled(settled) => settled.started_at,
            Ending::Refused(_) => self.at,
        }
    }

    /// Whether an id is the request's own, or the one in the upstream's answer.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        match &self.ending {
            Ending::Settled(settled) => {
                settled.provider_request.as_deref() == Some(id) || settled.request.to_string() == id
            }
            Ending::Refused(refused) => refused.request.to_string() == id,
        }
    }
}
