//! Roles: what a user may change. What each of them comes to is decided in [`crate::rights`].

use serde::{Deserialize, Serialize};

/// What a user may change. A later one may never do more than an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, as the holder of the master key. LiteLLM's `proxy_admin`.
    Operator,
    /// People, realms, keys and budgets everywhere; no models, no provider credentials and nothing of the gateway's own.
    Admin,
    /// The same in their realm and what nests in it, but for what their realm itself may. LiteLLM's `org_admin`.
    RealmAdmin,
    /// Their own keys. LiteLLM's `internal_user`.
    #[default]
    Member,
    /// Nothing. LiteLLM's `internal_user_viewer`.
    Viewer,
}

impl Role {
    /// Whether someone can be this in a realm, rather than over the gateway.
    #[must_use]
    pub const fn is_of_realms(self) -> bool {
        matches!(self, Self::RealmAdmin | Self::Member | Self::Viewer)
    }

    /// The role as text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::RealmAdmin => "realm_admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}
