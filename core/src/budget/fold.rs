//! The fold of budgets, and what a named budget's change comes to for its holders.

use super::{Budget, BudgetLimit, Event, Terms};
use crate::aggregate::{Mark, Trail};
use crate::control::Control;
use crate::id::{BudgetId, RealmId};
use crate::limits::Limits;
use crate::scope::Scope;

/// Folds what happened to a budget. The row stays when the limits go, since the stream's version must go on.
pub fn evolve(state: &mut Control, event: &Event, realm: Option<&RealmId>, mark: &Mark) {
    let scope = event.scope().clone();
    let before = state.budget(&scope).cloned();
    let trail = match &before {
        Some(budget) => {
            let mut trail = budget.trail.clone();
            trail.step(mark);
            trail
        }
        None => Trail::born(mark),
    };
    let mut budget =
        Budget { set: mark.position, trail, ..before.clone().unwrap_or_else(|| nothing(&scope, realm, mark)) };
    match event {
        Event::Set(data) => {
            budget.limits.clone_from(&data.limits);
            budget.reclaim_after_seconds = data.reclaim_after_seconds;
            (budget.named, budget.rates, budget.told_at_nano_usd) = (None, Limits::default(), None);
            if data.limits.is_empty() {
                budget.terms = Terms::default();
            }
        }
        Event::Reset(data) => budget.limits.clone_from(&data.limits),
        Event::Attached(data) => {
            let named = state.named_budget(&data.budget);
            let copied = named.map(|named| (named.limits.clone(), named.rates, named.told_at_nano_usd));
            (budget.limits, budget.rates, budget.told_at_nano_usd) = copied.unwrap_or_default();
            budget.named = Some(data.budget.clone());
            budget.reclaim_after_seconds = None;
        }
        Event::Revised(data) => data.apply(&mut budget.terms),
        Event::SpendCarried(data) => budget.carry(data),
    }
    budget.forget_carried();
    let was = before.and_then(|before| before.named);
    if was != budget.named {
        if let Some(was) = was {
            state.budget_holders.remove(&(was, scope.clone()));
        }
        if let Some(is) = &budget.named {
            state.budget_holders.put((is.clone(), scope), mark.position);
        }
    }
    put(state, budget);
}

fn nothing(scope: &Scope, realm: Option<&RealmId>, mark: &Mark) -> Budget {
    Budget {
        scope: scope.clone(),
        realm: realm.cloned(),
        limits: Vec::new(),
        reclaim_after_seconds: None,
        named: None,
        rates: Limits::default(),
        told_at_nano_usd: None,
        terms: Terms::default(),
        carried: Vec::new(),
        set: mark.position,
        trail: Trail::born(mark),
    }
}

/// A named budget changed: so do the budgets of its holders. Windows that began anew for one holder alone do not begin
/// earlier again.
pub(crate) fn spread(state: &mut Control, id: &BudgetId, mark: &Mark) {
    let Some(named) = state.named_budgets.get(id).cloned() else { return };
    let holders: Vec<Scope> = state.holders(id).cloned().collect();
    for scope in holders {
        let Some(held) = state.budget(&scope).cloned() else { continue };
        let anew = |limit: &BudgetLimit| {
            let own = held.limits.iter().find(|own| own.period == limit.period).map(|own| own.anchor);
            BudgetLimit { anchor: own.map_or(limit.anchor, |own| own.max(limit.anchor)), ..limit.clone() }
        };
        let limits = named.limits.iter().map(anew).collect();
        let (rates, told_at_nano_usd) = (named.rates, named.told_at_nano_usd);
        let mut budget = Budget { limits, rates, told_at_nano_usd, set: mark.position, ..held };
        budget.forget_carried();
        put(state, budget);
    }
}

fn put(state: &mut Control, budget: Budget) {
    match budget.scope.clone() {
        Scope::Key(key) => state.key_budgets.put(key, budget),
        Scope::Model(realm, model) => state.model_budgets.put((realm, model), budget),
        scope @ (Scope::Gateway
        | Scope::Realm(_)
        | Scope::User(_)
        | Scope::EndUser(_)
        | Scope::Tag(_)
        | Scope::Agent(_)
        | Scope::Context(_)) => state.budgets.put(scope, budget),
    }
}
