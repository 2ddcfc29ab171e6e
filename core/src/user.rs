//! Users: people, who have keys. A user's keys can never do more than the user may, and are paid from the user's budget
//! too. What a user may change is said by their role, and by their roles in realms.

mod command;
mod decide;
mod event;
mod password;
mod role;

pub use command::{AddMember, BlockUser, RegisterUser, RemoveMember, RemoveUser, ReviseUser, SetPassword, UnblockUser};
pub use decide::{Rejection, add_member, block, evolve, register, registered, remove, remove_member, revise, unblock};
pub use event::{Blocked, Event, MemberAdded, MemberRemoved, PasswordSet, Registered, Removed, Revised, Unblocked};
pub use password::{Password, set_password};
pub use role::Role;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::id::{RealmId, UserId};
use crate::json::Json;
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::stream::Position;

/// The most realms that one user is a member of.
pub const MEMBERSHIPS_MAX: usize = 1_000;
/// The longest name of a user for people, and the longest email address, in characters.
pub const TEXT_MAX_CHARACTERS: usize = 256;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The realm that they belong to and are accounted under; none for people of the whole gateway. It never changes.
    pub realm: Option<RealmId>,
    /// Their name for people.
    pub alias: Option<String>,
    /// Their email address, unique over the gateway, capitals aside.
    pub email: Option<String>,
    /// What they may change.
    pub role: Role,
    /// The models that their keys may call, within what the keys and their realms may.
    pub models: Allowed,
    /// The rate limits of all their keys together.
    pub limits: Limits,
    /// The realms that they are members of beside their own, and as what.
    pub memberships: BTreeMap<RealmId, Role>,
    /// Since which event they are blocked.
    pub blocked: Option<Position>,
    /// Since which event they are removed, for ever. Their id stays taken, since their history stays.
    pub removed: Option<Position>,
    /// What people attached to them.
    pub metadata: Json,
    /// Their history.
    pub trail: Trail,
}

impl User {
    /// Since which event the user's keys are refused, if they are.
    #[must_use]
    pub const fn refused(&self) -> Option<Position> {
        match self.removed {
            Some(position) => Some(position),
            None => self.blocked,
        }
    }
}

#[cfg(test)]
mod tests;
