//! Tags that have rules, and what they leave of the models.

use std::iter;
use std::sync::Arc;

use super::{Refusal, Rule, quarantined};
use crate::activity::Tags;
use crate::control::Control;
use crate::id::ModelName;
use crate::key::Key;
use crate::scope::Scope;
use crate::stream::StreamId;
use crate::tag::{Tag, TagRef};

/// Whether a tag has rules at all, or something unreadable may be such a tag. Almost always there is none, and then the
/// tags of a request are looked up nowhere.
#[must_use]
pub fn knows_tags(control: &Control) -> bool {
    !control.tags.is_empty() || !control.quarantined.is_empty()
}

/// The tags of a request that have rules: those of the key's realm, of each parent, and of the whole gateway, as far as they
/// are registered. All of their rules hold.
///
/// # Errors
/// [`Refusal`]: the rules of one cannot be read.
pub fn tags(control: &Control, key: &Key, carried: &Tags) -> Result<Vec<Arc<Tag>>, Refusal> {
    let mut found = Vec::new();
    if !knows_tags(control) {
        return Ok(found);
    }
    for name in carried {
        let realms = control.chain(&key.realm).map(|realm| Some(realm.id.clone()));
        for realm in realms.chain(iter::once(None)) {
            let which = TagRef { realm, name: name.clone() };
            if let Some(position) = quarantined(control, || [StreamId::tag(&which)]) {
                return Err(Refusal::new(Rule::Quarantined, Some(Scope::Tag(which)), [position]));
            }
            found.extend(control.tags.get(&which).filter(|tag| tag.removed.is_none()).cloned());
        }
    }
    Ok(found)
}

/// Whether requests with these tags may call a model by this name, whatever their key may.
///
/// # Errors
/// [`Refusal`], with the scope of the first tag that does not let them.
pub fn permit_tagged(tags: &[Arc<Tag>], name: &ModelName) -> Result<(), Refusal> {
    match tags.iter().find(|tag| !tag.models.allows(name)) {
        Some(tag) => {
            let scope = Some(Scope::Tag(tag.tag.clone()));
            Err(Refusal::new(Rule::ModelNotAllowed, scope, [tag.trail.changed.position]).about(name))
        }
        None => Ok(()),
    }
}
