//! What happens to tags.

use serde::{Deserialize, Serialize};

use super::command::{RegisterTag, ReviseTag};
use super::{Tag, TagRef};
use crate::aggregate::event_types;
use crate::id::{RealmId, TagName};
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;

/// A tag came to have rules, or came back after it was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The word that requests carry.
    pub tag: TagName,
    /// The realm that it is registered for; none for the whole gateway.
    pub realm: Option<RealmId>,
    /// What it stands for, in words.
    pub description: Option<String>,
    /// The models that requests with it may call.
    pub models: Allowed,
    /// The rate limits of all requests with it.
    pub limits: Limits,
}

impl From<&RegisterTag> for Registered {
    fn from(command: &RegisterTag) -> Self {
        let RegisterTag { tag, realm, description, models, limits } = command.clone();
        Self { tag, realm, description, models, limits }
    }
}

/// A tag's rules changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which tag.
    pub tag: TagName,
    /// The realm that it is registered for.
    pub realm: Option<RealmId>,
    /// What it stands for, in words.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub description: Patch<String>,
    /// The models that requests with it may call; cleared, all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// The rate limits of all requests with it.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
}

impl Revised {
    /// What the command changes, less what is so already.
    pub(super) fn new(command: &ReviseTag, current: &Tag) -> Self {
        Self {
            tag: command.tag.clone(),
            realm: command.realm.clone(),
            description: command.description.against(current.description.as_ref()),
            models: command.models.against_or(&current.models, &Allowed::All),
            limits: command.limits.against(&current.limits),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.description.is_keep() && self.models.is_keep() && self.limits.is_keep()
    }
}

/// A tag has no rules any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which tag.
    pub tag: TagName,
    /// The realm that it was registered for.
    pub realm: Option<RealmId>,
}

event_types! {
    /// What happens to tags.
    pub enum Event {
        /// It came to have rules.
        Registered(Registered) = "tag.registered", 1;
        /// They changed.
        Revised(Revised) = "tag.revised", 1;
        /// It has none any more.
        Removed(Removed) = "tag.removed", 1;
    }
}

impl Event {
    /// The tag it is about.
    #[must_use]
    pub fn tag(&self) -> TagRef {
        let (name, realm) = match self {
            Self::Registered(data) => (&data.tag, &data.realm),
            Self::Revised(data) => (&data.tag, &data.realm),
            Self::Removed(data) => (&data.tag, &data.realm),
        };
        TagRef { realm: realm.clone(), name: name.clone() }
    }
}
