//! Commands about tags.

use serde::{Deserialize, Serialize};

use super::TagRef;
use crate::id::{RealmId, TagName};
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;

/// Asks for a new tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterTag {
    /// The word that requests carry.
    pub tag: TagName,
    /// The realm that it is registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
    /// What it stands for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The models that requests with it may call, within what their keys may. All when absent: it only narrows.
    #[serde(default = "all")]
    pub models: Allowed,
    /// The rate limits of all requests with it.
    #[serde(default)]
    pub limits: Limits,
}

const fn all() -> Allowed {
    Allowed::All
}

/// Asks for changes of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseTag {
    /// Which tag.
    pub tag: TagName,
    /// The realm that it is registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
    /// What it stands for, in words.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub description: Patch<String>,
    /// The models that requests with it may call; cleared, all that their keys may.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// The rate limits of all requests with it.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
}

/// Asks that a tag be registered no more: its budget, limits and models go, and requests with it are as any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveTag {
    /// Which tag.
    pub tag: TagName,
    /// The realm that it is registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
}

macro_rules! about {
    ($($command:ident),+) => {
        $(impl $command {
            /// Which tag it is about.
            #[must_use]
            pub fn which(&self) -> TagRef {
                TagRef { realm: self.realm.clone(), name: self.tag.clone() }
            }
        })+
    };
}

about!(RegisterTag, ReviseTag, RemoveTag);

impl ReviseTag {
    /// A command that changes nothing yet.
    #[must_use]
    pub fn nothing(of: TagRef) -> Self {
        Self {
            tag: of.name,
            realm: of.realm,
            description: Patch::Keep,
            models: Patch::Keep,
            limits: LimitsPatch::default(),
        }
    }
}
