//! Why a call has no cost: what it costs is unknown then, which is not the same as nothing.

use serde::{Deserialize, Serialize};

/// Why a call has no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpriced {
    /// Its deployment has no price.
    NoPrice,
}

impl Unpriced {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPrice => "no_price",
        }
    }
}
