//! The provider: what every request truly cost, whatever gateways know of it.

use std::collections::BTreeMap;

use crate::id::WriterId;
use crate::lease::{AccountId, Epoch};

/// The slice that a cost fell on.
pub(super) type OnSlice = (WriterId, Epoch, AccountId);

/// The provider's own book.
#[derive(Debug, Default)]
pub(super) struct Provider {
    /// What was billed, by account.
    pub(super) bill: BTreeMap<AccountId, i128>,
    /// The same, by the slice that the request was sent from.
    pub(super) by_slice: BTreeMap<OnSlice, i128>,
    /// By how much requests cost more than they held: wrong prices.
    pub(super) over: BTreeMap<AccountId, i128>,
    /// How many requests were sent.
    pub(super) sent: u64,
}

impl Provider {
    /// A request was sent, and costs this on each of these slices.
    pub(super) fn send(&mut self, slices: &[OnSlice], cost: i64, held: i64) {
        self.sent += 1;
        for slice in slices {
            let over = i128::from((cost - held).max(0));
            *self.bill.entry(slice.2.clone()).or_default() += i128::from(cost);
            *self.over.entry(slice.2.clone()).or_default() += over;
            *self.by_slice.entry(slice.clone()).or_default() += i128::from(cost);
        }
    }

    pub(super) fn of_slice(&self, slice: &OnSlice) -> i128 {
        self.by_slice.get(slice).copied().unwrap_or_default()
    }
}
