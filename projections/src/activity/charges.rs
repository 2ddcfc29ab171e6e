//! Charges: what was posted to each window of each budget. The ledger starts from these sums.

use tallygate_core::activity::Charge;
use tallygate_core::id::RealmId;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::time::Period;

use super::spend;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError};

pub(crate) const CHARGES: RowTable<NanoUsd> = RowTable::new(41, 1, "charges");

/// The row of a window. A key's lies under the key's realm, a realm's and a model's under the realm, an end user's and a tag's
/// under the one that they are registered for, a user's, an agent's and the gateway's under none.
pub(crate) fn row_key(charge: &Charge, realm_of_key: Option<&RealmId>) -> RowKey {
    let realm = match &charge.scope {
        // Users and agents may have keys in several realms: what they spent belongs to none of them alone. Conversations have
        // no budgets, so nothing is posted to them.
        Scope::Gateway | Scope::User(_) | Scope::Agent(_) | Scope::Context(_) => None,
        Scope::Realm(realm) | Scope::Model(realm, _) => Some(realm),
        Scope::EndUser(whom) => whom.realm.as_ref(),
        Scope::Tag(which) => which.realm.as_ref(),
        Scope::Key(_) => realm_of_key,
    };
    let (kind, length) = match charge.period {
        Period::Total => (0, 0),
        Period::Seconds(seconds) => (1, seconds),
        Period::Months(months) => (2, u64::from(months)),
    };
    RowKey::of(&CHARGES)
        .realm(realm)
        .text(&charge.scope.to_string())
        .fixed(&[kind])
        .number(length)
        .fixed(&charge.window.millis().to_be_bytes())
}

/// What was posted to a window.
pub(crate) fn posted(store: &Store, charge: &Charge) -> Result<NanoUsd, StoreError> {
    let realm = match &charge.scope {
        Scope::Key(key) => match spend::realm_of_key(store, *key)? {
            Some(realm) => Some(realm),
            // The key never asked.
            None => return Ok(NanoUsd::ZERO),
        },
        Scope::Gateway
        | Scope::Realm(_)
        | Scope::User(_)
        | Scope::Model(..)
        | Scope::EndUser(_)
        | Scope::Tag(_)
        | Scope::Agent(_)
        | Scope::Context(_) => None,
    };
    Ok(store.get(&CHARGES, &row_key(charge, realm.as_ref()))?.unwrap_or_default())
}
