//! Which budgets a request is paid from, and whether they may pay for its model.

use std::borrow::Borrow;
use std::sync::Arc;

use super::{Refusal, Rule, quarantined, scopes};
use crate::budget::Budget;
use crate::control::Control;
use crate::end_user::EndUser;
use crate::id::ModelName;
use crate::key::Key;
use crate::registry::Model;
use crate::scope::Scope;
use crate::stream::StreamId;
use crate::tag::Tag;

/// Who pays for a call: a key asks, for end users, under tags, for a model.
#[derive(Debug, Clone, Copy)]
pub struct Payers<'a> {
    /// The key.
    pub key: &'a Key,
    /// Its own budget, which is read with the key.
    pub of_key: Option<&'a Budget>,
    /// The end users in whose name it asks, as [`super::end_users`] found them.
    pub end_users: &'a [Arc<EndUser>],
    /// The tags that have rules, as [`super::tags`] found them.
    pub tags: &'a [Arc<Tag>],
    /// The model that is called.
    pub model: &'a ModelName,
}

/// Whether budgets may pay for a model: a strict one rests on the bound of what a request can cost, so it does not pay for a
/// model whose bound did not hold.
///
/// # Errors
/// [`Refusal`], with the scope of the strict budget.
pub fn permit_paying(model: &Model, budgets: &[impl Borrow<Budget>]) -> Result<(), Refusal> {
    let Some(position) = model.distrusted else { return Ok(()) };
    match budgets.iter().map(Borrow::borrow).find(|budget| budget.reclaim_after_seconds.is_none()) {
        Some(budget) => {
            Err(Refusal::new(Rule::ModelDistrusted, Some(budget.scope.clone()), [position]).about(&model.name))
        }
        None => Ok(()),
    }
}

/// The budgets that a call is paid from: the key's own, its agent's, those of the end users and tags, of the model within the
/// key's realm and each parent, of the key's user, of its realm and each parent, and the gateway's.
///
/// # Errors
/// [`Refusal`]: a limit that cannot be read may be lower than any that can.
pub fn budgets<'a>(
    control: &'a Control,
    payers: &Payers<'a>,
) -> Result<impl Iterator<Item = &'a Budget> + use<'a>, Refusal> {
    if !control.quarantined.is_empty() {
        check_readable(control, payers)?;
        all(control, payers).try_for_each(|budget| check_name(control, budget))?;
    }
    Ok(all(control, payers))
}

fn all<'a>(control: &'a Control, payers: &Payers<'a>) -> impl Iterator<Item = &'a Budget> + use<'a> {
    let Payers { key, of_key, end_users, tags, model } = *payers;
    let of_end_users = end_users.iter().filter_map(move |end_user| {
        // Their scope is looked up by a copy of it, which those who have no end users never make.
        control.budget(&Scope::EndUser(end_user.end_user.clone()))
    });
    let of_tags = tags.iter().filter_map(move |tag| control.budget(&Scope::Tag(tag.tag.clone())));
    let above = scopes(control, key).skip(1).filter_map(|scope| control.budget(&scope));
    let of_agent = agent(control, key).and_then(|agent| control.budget(&agent));
    of_key
        .into_iter()
        .chain(of_agent)
        .chain(of_end_users)
        .chain(of_tags)
        .chain(of_models(control, key, model))
        .chain(above)
}

/// The agent whose key it is, as a scope.
fn agent(control: &Control, key: &Key) -> Option<Scope> {
    control.agent_of(key.id).cloned().map(Scope::Agent)
}

/// The budgets of a model within the key's realm and each parent. Almost always there are none at all, and then no scope
/// is made.
fn of_models<'a>(
    control: &'a Control,
    key: &'a Key,
    model: &'a ModelName,
) -> impl Iterator<Item = &'a Budget> + use<'a> {
    let realms = (!control.model_budgets.is_empty()).then(|| control.chain(&key.realm));
    realms.into_iter().flatten().filter_map(move |realm| {
        let place = (realm.id.clone(), model.clone());
        control.model_budgets.get(&place).map(AsRef::as_ref)
    })
}

/// The named budget whose limits a budget has: they may have changed by what cannot be read.
fn check_name(control: &Control, budget: &Budget) -> Result<(), Refusal> {
    let Some(named) = &budget.named else { return Ok(()) };
    match quarantined(control, || [StreamId::named_budget(named)]) {
        Some(position) => Err(Refusal::new(Rule::Quarantined, Some(budget.scope.clone()), [position])),
        None => Ok(()),
    }
}

fn check_readable(control: &Control, payers: &Payers<'_>) -> Result<(), Refusal> {
    let Payers { key, end_users, tags, model, .. } = *payers;
    let of_end_users = end_users.iter().map(|end_user| Scope::EndUser(end_user.end_user.clone()));
    let of_tags = tags.iter().map(|tag| Scope::Tag(tag.tag.clone()));
    let of_models = control.chain(&key.realm).map(|realm| Scope::Model(realm.id.clone(), model.clone()));
    for scope in scopes(control, key).chain(agent(control, key)).chain(of_end_users).chain(of_tags).chain(of_models) {
        if let Some(position) = quarantined(control, || [scope.budget_stream()]) {
            return Err(Refusal::new(Rule::Quarantined, Some(scope), [position]));
        }
    }
    Ok(())
}
