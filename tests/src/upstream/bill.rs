//! What a provider would bill: tokens of answers, by the end user that a request names.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bill(Mutex<BTreeMap<String, u64>>);

impl Bill {
    /// A request has come. Nothing is billed for it yet.
    pub(super) fn open(&self, request: &Value) {
        self.add(user(request), 0);
    }

    /// So many tokens of an answer were generated.
    pub(super) fn add(&self, user: Option<&str>, tokens: u64) {
        let Some(user) = user else { return };
        *self.lock().entry(user.to_owned()).or_default() += tokens;
    }

    pub(super) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end user that a request names.
pub(super) fn user(request: &Value) -> Option<&str> {
    request.get("user")?.as_str()
}
