//! The list: what models cost where nobody says otherwise. Data that this build comes with, for commands that register a
//! deployment without a price.

use std::collections::BTreeMap;

use super::Price;
use crate::id::VendorId;

/// Prices by vendor and by the name that the upstream knows the model by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList(BTreeMap<VendorId, BTreeMap<String, Price>>);

impl PriceList {
    /// A list without prices.
    #[must_use]
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Puts a price on the list. The one that was there, if any.
    pub fn put(&mut self, vendor: VendorId, upstream_model: String, price: Price) -> Option<Price> {
        self.0.entry(vendor).or_default().insert(upstream_model, price)
    }

    /// What a vendor's model costs, if the list says.
    #[must_use]
    pub fn get(&self, vendor: &VendorId, upstream_model: &str) -> Option<&Price> {
        self.0.get(vendor)?.get(upstream_model)
    }
}
