//! A virtual key as the proxy's, by the same hash.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tallygate_core::budget::Budget;
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, RealmId, UserId};
use tallygate_core::key::{Key, KeyKind};
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::scope::Scope;
use tallygate_core::stream::StreamId;
use tallygate_core::time::Timestamp;

use super::wanted::Wanted;
use super::{rules, team, user};
use crate::litellm::model_list;

/// LiteLLM's word for a key that never expires.
const NEVER: &str = "-1";
/// How much earlier than here a key may expire there without being told again: it is told in whole seconds from now.
const EXPIRY_SLACK_MS: u64 = 60_000;

/// The key as the proxy should have it. When it expires is said by [`lifetime`].
#[must_use]
pub fn wanted(control: &Control, key: &Key, budget: Option<&Budget>, now: Timestamp) -> Wanted {
    let limits = rules::limits(key.limits, budget);
    let mut wanted = Wanted { blocked: is_refused(control, key, now), ..Wanted::default() };
    let fields = &mut wanted.fields;
    fields.insert("key_alias".to_owned(), json!(key.alias));
    fields.insert("user_id".to_owned(), json!(key.user));
    fields.insert("team_id".to_owned(), json!(team_of(&key.realm)));
    fields.insert("models".to_owned(), model_list::listed(&models(control, key)));
    fields.insert("aliases".to_owned(), json!(aliases(control, key)));
    fields.insert("metadata".to_owned(), key.metadata.to_value());
    fields.insert("allowed_routes".to_owned(), routes(key.kind));
    fields.insert("max_parallel_requests".to_owned(), json!(limits.parallel_requests));
    rules::say_rates(fields, limits);
    rules::say_budget(&mut wanted, budget);
    note_rules_of_realm(control, key, &mut wanted.unsaid);
    note_rules_of_user(control, key, &mut wanted.unsaid);
    note_rules_of_tags(control, key, &mut wanted.unsaid);
    note_budget_of_agent(control, key, &mut wanted.unsaid);
    note_unread(control, key, &mut wanted.unsaid);
    wanted
}

/// The team of a realm's keys: none for the first realm, as in LiteLLM.
#[must_use]
pub fn team_of(realm: &RealmId) -> Option<&RealmId> {
    (*realm != RealmId::default_realm()).then_some(realm)
}

/// `duration` for a key that expires there at another moment than here, or never; none where it need not be said.
#[must_use]
pub fn lifetime(expires_at: Option<Timestamp>, there: Option<Timestamp>, now: Timestamp) -> Option<String> {
    match (expires_at, there) {
        (None, None) => None,
        (None, Some(_)) => Some(NEVER.to_owned()),
        (Some(here), Some(there)) if there <= here && here.millis_since(there) <= EXPIRY_SLACK_MS => None,
        // One that is over already is blocked: a duration is at least a second.
        (Some(here), _) => Some(format!("{}s", (here.millis_since(now) / 1_000).max(1))),
    }
}

fn models(control: &Control, key: &Key) -> Allowed {
    let of_user = key.user.as_ref().and_then(|id| control.user(id)).map_or(Allowed::All, |user| user.models.clone());
    let own = key.models.within(&of_user);
    // A team says for itself what it may.
    if team_of(&key.realm).is_some() { own } else { own.within(&rules::models_of(control, &key.realm)) }
}

fn is_refused(control: &Control, key: &Key, now: Timestamp) -> bool {
    let user = key.user.as_ref().and_then(|id| control.users.get(id));
    key.blocked.is_some()
        || key.expires_at.is_some_and(|expires_at| expires_at <= now)
        || user.is_some_and(|user| user.refused().is_some())
        || control.realms.get(&key.realm).is_none_or(|realm| team::is_refused(control, realm))
}

/// Other names of models, but for those that lead to a model which the key may not call by name: LiteLLM looks at the name that
/// a request has, and not at where it leads.
fn aliases(control: &Control, key: &Key) -> BTreeMap<ModelName, ModelName> {
    let allowed = models(control, key).within(&rules::models_of(control, &key.realm));
    let leads_there = |(_, model): &(&ModelName, &ModelName)| allowed.allows(model);
    key.aliases.iter().filter(leads_there).map(|(alias, model)| (alias.clone(), model.clone())).collect()
}

/// Notes a key, or its user, that has an event which this version cannot read.
fn note_unread(control: &Control, key: &Key, unsaid: &mut Vec<String>) {
    if rules::has_unread(control, &[StreamId::key(key.id), Scope::Key(key.id).budget_stream()]) {
        unsaid.push("an event of it, which this version cannot read".to_owned());
    }
    let of_user = |user: &UserId| [StreamId::user(user), Scope::User(user.clone()).budget_stream()];
    if key.user.as_ref().is_some_and(|user| rules::has_unread(control, &of_user(user))) {
        unsaid.push("an event of its user, which this version cannot read".to_owned());
    }
    if agent_of(control, key).is_some_and(|agent| rules::has_unread(control, &[agent.budget_stream()])) {
        unsaid.push("an event of its agent, which this version cannot read".to_owned());
    }
    team::note_unread(control, &key.realm, unsaid);
}

/// An agent has one budget for all of its keys, and LiteLLM knows no agents.
fn note_budget_of_agent(control: &Control, key: &Key, unsaid: &mut Vec<String>) {
    if agent_of(control, key).is_some_and(|agent| rules::has_limits(control.budget(&agent))) {
        unsaid.push("its agent has a budget".to_owned());
    }
}

fn agent_of(control: &Control, key: &Key) -> Option<Scope> {
    control.agent_of(key.id).cloned().map(Scope::Agent)
}

fn routes(kind: KeyKind) -> Value {
    match kind {
        KeyKind::Default => json!([]),
        KeyKind::LlmApi => json!(["llm_api_routes"]),
        KeyKind::Management => json!(["management_routes"]),
        KeyKind::ReadOnly => json!(["info_routes"]),
    }
}

/// A key without a team has nobody there who says what its realm limits.
fn note_rules_of_realm(control: &Control, key: &Key, unsaid: &mut Vec<String>) {
    if team_of(&key.realm).is_some() {
        return;
    }
    if let Some(realm) = control.realms.get(&key.realm) {
        rules::note_rules_of(control, realm, unsaid);
    }
    rules::note_budget_of_gateway(control, unsaid);
}

/// LiteLLM asks the rules of a user for keys without a team alone.
fn note_rules_of_user(control: &Control, key: &Key, unsaid: &mut Vec<String>) {
    let Some(user) = key.user.as_ref().and_then(|id| control.user(id)) else { return };
    if team_of(&key.realm).is_none() {
        unsaid.extend(user::wanted(control, user).unsaid.into_iter().map(|rule| format!("its user: {rule}")));
    } else if user::has_rules(control, user) {
        unsaid.push(format!(
            "the user `{}` has a budget or limits, which LiteLLM asks for keys without a team alone",
            user.id
        ));
    }
}

/// A tag that a key puts on its requests may have rules.
fn note_rules_of_tags(control: &Control, key: &Key, unsaid: &mut Vec<String>) {
    let metadata = key.metadata.to_value();
    let tags = metadata.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let tags: BTreeSet<&str> = tags.collect();
    let ruled = control.tags.iter().map(|(_, tag)| tag).filter(|tag| {
        let budget = control.budget(&Scope::Tag(tag.tag.clone()));
        let has_rules = tag.models != Allowed::All || tag.limits != Limits::default() || rules::has_limits(budget);
        tag.removed.is_none() && has_rules && tags.contains(tag.tag.name.as_str())
    });
    unsaid.extend(ruled.map(|tag| format!("its tag `{}` has rules", tag.tag.name)));
}

#[cfg(test)]
mod tests {
    use super::lifetime;
    use tallygate_core::time::Timestamp;

    #[test]
    fn a_key_is_told_how_long_it_lives_only_where_it_would_live_longer_or_much_shorter() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let said = |here: Option<i64>, there: Option<i64>| lifetime(here.map(at), there.map(at), at(1_000));
        assert_eq!(said(None, None), None);
        assert_eq!(said(None, Some(2_000)).as_deref(), Some("-1"));
        assert_eq!(said(Some(2_000), None).as_deref(), Some("1000s"));
        assert_eq!(said(Some(2_000), Some(2_001)).as_deref(), Some("1000s"), "it would live longer there");
        assert_eq!(said(Some(2_000), Some(1_999)), None, "whole seconds are near enough");
        assert_eq!(said(Some(2_000), Some(1_900)).as_deref(), Some("1000s"));
        assert_eq!(said(Some(900), None).as_deref(), Some("1s"), "what is over is blocked");
    }
}
