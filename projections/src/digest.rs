//! One number for a whole store: SHA-256 over all rows in the order of their keys.
//!
//! The rows follow from the log alone, so two stores of the same log at the same place have the same digest, whatever
//! groups they were folded in, and however often that was interrupted. What a store says about itself (its layout, its
//! checkpoint) is no part of it.

use sha2::{Digest as _, Sha256};
use tallygate_core::digest::Digest;

use crate::store::{Store, StoreError};

/// SHA-256 over all rows, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateDigest {
    /// The digest.
    pub digest: Digest,
    /// The number of rows.
    pub rows: u64,
}

/// The digest of a store that does not change meanwhile.
///
/// # Errors
/// [`StoreError`] too while the disk does not take its rows: what sled still reads after a write that failed is up to it,
/// and half a digest would say that two gateways have different states.
pub(crate) fn digest_of(store: &Store) -> Result<StateDigest, StoreError> {
    store.check_whole()?;
    let digest = read_all(store)?;
    store.check_whole()?;
    Ok(digest)
}

fn read_all(store: &Store) -> Result<StateDigest, StoreError> {
    let mut hasher = Sha256::new();
    let mut rows = 0;
    for row in store.scan_tables() {
        let (key, value) = row?;
        for part in [key, value] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        rows += 1;
    }
    Ok(StateDigest { digest: Digest::from_bytes(hasher.finalize().into()), rows })
}
