//! A user as the proxy's.
//!
//! LiteLLM asks a user's rules for keys without a team alone, and blocks no user: both is made up for at the keys.

use serde_json::json;
use tallygate_core::control::Control;
use tallygate_core::limits::Limits;
use tallygate_core::scope::Scope;
use tallygate_core::user::{Role, User};

use super::rules;
use super::wanted::Wanted;
use crate::litellm::{model_list, role_name};

/// The user that somebody is.
#[must_use]
pub fn wanted(control: &Control, user: &User) -> Wanted {
    let budget = control.budget(&Scope::User(user.id.clone()));
    let limits = rules::limits(user.limits, budget);
    let mut wanted = Wanted::default();
    wanted.fields.insert("user_id".to_owned(), json!(user.id));
    wanted.fields.insert("user_email".to_owned(), json!(user.email));
    wanted.fields.insert("user_alias".to_owned(), json!(user.alias));
    wanted.fields.insert("user_role".to_owned(), json!(role(user.role)));
    wanted.fields.insert("models".to_owned(), model_list::listed(&user.models));
    wanted.fields.insert("metadata".to_owned(), user.metadata.to_value());
    rules::say_rates(&mut wanted.fields, limits);
    wanted.fields.insert("max_parallel_requests".to_owned(), json!(limits.parallel_requests));
    rules::say_budget(&mut wanted, budget);
    wanted
}

/// LiteLLM has four roles for users: who manages some people or realms here manages nothing there.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Admin | Role::RealmAdmin => role_name::name(Role::Member),
        Role::Operator | Role::Member | Role::Viewer | Role::Observer => role_name::name(role),
    }
}

/// Whether a user has rules that the proxy must know of before a key of theirs may work there.
#[must_use]
pub fn has_rules(control: &Control, user: &User) -> bool {
    let budget = control.budget(&Scope::User(user.id.clone()));
    rules::has_limits(budget) || rules::limits(user.limits, budget) != Limits::default()
}
