//! Realms as teams, and what of end users and tags is told as not carried over.

use serde_json::{Map, json};
use tallygate_adapters::litellm::mirror::team;
use tallygate_core::end_user::EndUserRef;
use tallygate_core::id::RealmId;
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::scope::Scope;
use tallygate_core::tag::TagRef;

use super::hand::{Hand, Routes, said};
use super::outcome::{Outcome, Stuck};

/// Where teams are asked for.
pub(super) const ROUTES: Routes = Routes {
    id: "team_id",
    info: ("/team/info", "team_id", "team_info"),
    new: "/team/new",
    update: "/team/update",
    block: Some(("/team/block", "/team/unblock")),
};

/// Makes a team what its realm is. The first realm is none: keys of it have no team.
pub(super) async fn team(hand: &Hand<'_>, id: &RealmId) -> Result<Outcome, Stuck> {
    let control = &hand.snapshot.control;
    let realm = control.realms.get(id).filter(|_| *id != RealmId::default_realm());
    let Some(realm) = realm else { return Ok(Outcome::InStep) };
    let there = hand.read(&ROUTES, id.as_str()).await?;
    if realm.removed.is_some() {
        if there.is_some() {
            hand.proxy.post("/team/delete", &json!({ "team_ids": [id] }), None).await?;
        }
        return Ok(Outcome::InStep);
    }
    let wanted = team::wanted(control, realm);
    if let Some(there) = there {
        return hand.keep(&ROUTES, id.as_str(), &wanted, &there, Map::new()).await;
    }
    if !wanted.unsaid.is_empty() {
        return Ok(Outcome::not_made_for(&wanted.unsaid));
    }
    let mut body = said(&wanted);
    body.insert("blocked".to_owned(), json!(wanted.blocked));
    hand.make(&ROUTES, id.as_str(), &wanted, body, None).await
}

/// An end user with rules is not carried over: it is told that they do not hold there.
pub(super) fn end_user(hand: &Hand<'_>, whom: &EndUserRef) -> Outcome {
    match hand.snapshot.control.end_user(whom) {
        None => Outcome::InStep,
        Some(_) => Outcome::NotMirrored("end users are not carried over: what is asked in their name is not blocked, limited or paid from their budget there".to_owned()),
    }
}

/// The same of a tag.
pub(super) fn tag(hand: &Hand<'_>, which: &TagRef) -> Outcome {
    let control = &hand.snapshot.control;
    let Some(tag) = control.tag(which) else { return Outcome::InStep };
    let has_budget = control.budget(&Scope::Tag(which.clone())).is_some_and(|budget| !budget.limits.is_empty());
    if tag.models == Allowed::All && tag.limits == Limits::default() && !has_budget {
        return Outcome::InStep;
    }
    Outcome::NotMirrored("rules of tags are not carried over: keys that have the tag are blocked there, and a tag that a request itself brings has no rules there".to_owned())
}
