//! A realm as a team of the proxy's.
//!
//! Teams nest in nothing: what the realms above a realm allow is worked into the team, and what they limit has no field.

use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::realm::Realm;
use tallygate_core::scope::Scope;
use tallygate_core::stream::StreamId;

use super::rules;
use super::wanted::Wanted;
use crate::litellm::{ORGANIZATION, model_list};

/// The team that a realm is.
#[must_use]
pub fn wanted(control: &Control, realm: &Realm) -> Wanted {
    let budget = control.budget(&Scope::Realm(realm.id.clone()));
    let limits = rules::limits(realm.limits, budget);
    let mut wanted = Wanted { blocked: is_refused(control, realm), ..Wanted::default() };
    wanted.fields.insert("team_id".to_owned(), json!(realm.id));
    wanted.fields.insert("team_alias".to_owned(), json!(realm.name));
    wanted.fields.insert("models".to_owned(), model_list::listed(&rules::models_of(control, &realm.id)));
    wanted.fields.insert("metadata".to_owned(), metadata(realm));
    rules::say_rates(&mut wanted.fields, limits);
    rules::say_budget(&mut wanted, budget);
    if limits.parallel_requests.is_some() {
        wanted.unsaid.push("it limits parallel requests, and a team of LiteLLM's does not".to_owned());
    }
    rules::note_budgets_of_models(control, &realm.id, &mut wanted.unsaid);
    for above in control.chain(&realm.id).skip(1) {
        rules::note_rules_of(control, above, &mut wanted.unsaid);
    }
    rules::note_budget_of_gateway(control, &mut wanted.unsaid);
    note_unread(control, &realm.id, &mut wanted.unsaid);
    wanted
}

/// What people attached, without what was attached for them.
fn metadata(realm: &Realm) -> Value {
    let mut metadata = realm.metadata.to_value();
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove(ORGANIZATION);
    }
    metadata
}

/// Whether the realm, or one that it nests in, is suspended.
pub(super) fn is_refused(control: &Control, realm: &Realm) -> bool {
    control.chain(&realm.id).any(|realm| realm.suspended.is_some() || realm.removed.is_some())
}

/// Notes a realm, or one that it nests in, that has an event which this version cannot read.
pub(super) fn note_unread(control: &Control, realm: &RealmId, unsaid: &mut Vec<String>) {
    let streams = |realm: &Realm| {
        let budget = Scope::Realm(realm.id.clone()).budget_stream();
        [StreamId::realm(&realm.id), StreamId::grant(&realm.id), budget]
    };
    let unread = control.chain(realm).filter(|realm| rules::has_unread(control, &streams(realm)));
    unsaid.extend(unread.map(|realm| format!("an event of the realm `{}`, which this version cannot read", realm.id)));
}
