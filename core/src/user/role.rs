//! Roles: what a user may change. What each of them comes to is decided in [`crate::rights`].

use serde::{Deserialize, Serialize};

/// What a user may change. A later one may never change more than an earlier one.
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
    /// Nothing, not even what their own keys select; and they read what an operator reads. LiteLLM's `proxy_admin_viewer`.
    Observer,
}

impl Role {
    /// Whether someone can be this in a realm, rather than over the gateway.
    #[must_use]
    pub const fn is_of_realms(self) -> bool {
        matches!(self, Self::RealmAdmin | Self::Member | Self::Viewer)
    }

    /// Whether someone who is this reads whatever there is to read.
    #[must_use]
    pub const fn reads_all(self) -> bool {
        matches!(self, Self::Operator | Self::Observer)
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
            Self::Observer => "observer",
        }
    }
}
