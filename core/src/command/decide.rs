//! Which aggregate decides which command.

use super::{Command, Context, Rejection};
use crate::control::{Change, Control};
use crate::{
    agent, budget, credential, end_user, grant, key, named_budget, realm, registry, selection, session, tag, user,
};

/// Decides one command: the changes it makes, at least one, or why not. Commands together are decided by
/// [`crate::plan::plan`], since each needs what the one before leaves.
pub(crate) fn decide(state: &Control, command: &Command, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    let changes = decide_any(state, command, context)?;
    check_readable(state, &changes)?;
    Ok(changes)
}

/// What decides one group of commands: none for those of another.
type Decide = fn(&Control, &Command, &Context<'_>) -> Option<Decided>;
type Decided = Result<Vec<Change>, Rejection>;

/// Each command is decided by one of these; a test looks that none is left out.
fn decide_any(state: &Control, command: &Command, context: &Context<'_>) -> Decided {
    const ALL: [Decide; 4] = [of_tenancy, of_models, of_keys, of_agents];
    let decided = ALL.into_iter().find_map(|decide| decide(state, command, context));
    decided.unwrap_or(Err(Rejection::TooManyTogether))
}

/// Realms, people and those in whose name they ask, and what realms may call.
fn of_tenancy(state: &Control, command: &Command, context: &Context<'_>) -> Option<Decided> {
    let decided = match command {
        Command::RegisterRealm(data) => realm::register(state, data).map_err(Rejection::from),
        Command::ReviseRealm(data) => realm::revise(state, data).map_err(Rejection::from),
        Command::SuspendRealm(data) => realm::suspend(state, data).map_err(Rejection::from),
        Command::ResumeRealm(data) => realm::resume(state, data).map_err(Rejection::from),
        Command::RemoveRealm(data) => realm::remove(state, data).map_err(Rejection::from),
        Command::RegisterUser(data) => user::register(state, data).map_err(Rejection::from),
        Command::ReviseUser(data) => user::revise(state, data).map_err(Rejection::from),
        Command::BlockUser(data) => user::block(state, data).map_err(Rejection::from),
        Command::UnblockUser(data) => user::unblock(state, data).map_err(Rejection::from),
        Command::RemoveUser(data) => user::remove(state, data).map_err(Rejection::from),
        Command::AddMember(data) => user::add_member(state, data).map_err(Rejection::from),
        Command::RemoveMember(data) => user::remove_member(state, data).map_err(Rejection::from),
        Command::SetPassword(data) => user::set_password(state, data).map_err(Rejection::from),
        Command::StartSession(data) => session::start(state, data, context.now).map_err(Rejection::from),
        Command::EndSession(data) => session::end(state, data).map_err(Rejection::from),
        Command::RegisterEndUser(data) => end_user::register(state, data).map_err(Rejection::from),
        Command::ReviseEndUser(data) => end_user::revise(state, data).map_err(Rejection::from),
        Command::BlockEndUser(data) => end_user::block(state, data).map_err(Rejection::from),
        Command::UnblockEndUser(data) => end_user::unblock(state, data).map_err(Rejection::from),
        Command::RemoveEndUser(data) => end_user::remove(state, data).map_err(Rejection::from),
        Command::RegisterTag(data) => tag::register(state, data).map_err(Rejection::from),
        Command::ReviseTag(data) => tag::revise(state, data).map_err(Rejection::from),
        Command::RemoveTag(data) => tag::remove(state, data).map_err(Rejection::from),
        Command::GrantModel(data) => grant::grant(state, data).map_err(Rejection::from),
        Command::WithdrawGrant(data) => grant::withdraw(state, data).map_err(Rejection::from),
        Command::ReplaceGrants(data) => grant::replace(state, data).map_err(Rejection::from),
        _ => return None,
    };
    Some(decided)
}

/// Models, what opens them, and which is selected.
fn of_models(state: &Control, command: &Command, context: &Context<'_>) -> Option<Decided> {
    let decided = match command {
        Command::StoreCredential(data) => credential::store(state, data).map_err(Rejection::from),
        Command::ReplaceSecret(data) => credential::replace_secret(state, data).map_err(Rejection::from),
        Command::RemoveCredential(data) => credential::remove(state, data).map_err(Rejection::from),
        Command::RegisterModel(data) => registry::register(state, data, context).map_err(Rejection::from),
        Command::AddDeployment(data) => registry::add_deployment(state, data, context).map_err(Rejection::from),
        Command::ReviseDeployment(data) => registry::revise_deployment(state, data, context).map_err(Rejection::from),
        Command::RemoveDeployment(data) => registry::remove_deployment(state, data).map_err(Rejection::from),
        Command::RevisePrice(data) => registry::revise_price(state, data).map_err(Rejection::from),
        Command::RetireModel(data) => registry::retire(state, data).map_err(Rejection::from),
        Command::DistrustModel(data) => registry::distrust(state, data).map_err(Rejection::from),
        Command::TrustModel(data) => registry::trust(state, data).map_err(Rejection::from),
        Command::SetRouting(data) => registry::set_routing(state, data).map_err(Rejection::from),
        Command::SelectModel(data) => selection::select(state, data).map_err(Rejection::from),
        Command::SelectPreset(data) => selection::select_preset(state, data).map_err(Rejection::from),
        Command::SavePreset(data) => selection::preset::save(state, data).map_err(Rejection::from),
        Command::DeletePreset(data) => selection::preset::delete(state, data).map_err(Rejection::from),
        Command::ClearSelection(data) => selection::clear(state, data).map_err(Rejection::from),
        Command::UndoSelection(data) => selection::undo(state, data).map_err(Rejection::from),
        _ => return None,
    };
    Some(decided)
}

/// Keys, and the budgets of all.
fn of_keys(state: &Control, command: &Command, context: &Context<'_>) -> Option<Decided> {
    let decided = match command {
        Command::IssueKey(data) => key::issue(state, data, context).map_err(Rejection::from),
        Command::ReviseKey(data) => key::revise(state, data, context).map_err(Rejection::from),
        Command::RotateKey(data) => key::rotate(state, data, context.now).map_err(Rejection::from),
        Command::BlockKey(data) => key::block(state, data).map_err(Rejection::from),
        Command::UnblockKey(data) => key::unblock(state, data).map_err(Rejection::from),
        Command::RevokeKey(data) => key::revoke(state, data).map_err(Rejection::from),
        Command::SetBudget(data) => budget::set(state, data, context.now).map_err(Rejection::from),
        Command::ResetBudget(data) => budget::reset(state, data, context.now).map_err(Rejection::from),
        Command::AttachBudget(data) => budget::attach(state, data).map_err(Rejection::from),
        Command::ReviseBudget(data) => budget::revise(state, data, context.now).map_err(Rejection::from),
        Command::CarrySpend(data) => budget::carry(state, data, context.now).map_err(Rejection::from),
        Command::RegisterNamedBudget(data) => named_budget::register(state, data, context.now).map_err(Rejection::from),
        Command::ReviseNamedBudget(data) => named_budget::revise(state, data, context.now).map_err(Rejection::from),
        Command::RemoveNamedBudget(data) => named_budget::remove(state, data).map_err(Rejection::from),
        _ => return None,
    };
    Some(decided)
}

/// Agents.
fn of_agents(state: &Control, command: &Command, context: &Context<'_>) -> Option<Decided> {
    let decided = match command {
        Command::RegisterAgent(data) => agent::register(state, data).map_err(Rejection::from),
        Command::RotateAgentToken(data) => agent::rotate_token(state, data).map_err(Rejection::from),
        Command::JoinRealm(data) => agent::join_realm(state, data, context).map_err(Rejection::from),
        Command::LeaveRealm(data) => agent::leave_realm(state, data).map_err(Rejection::from),
        Command::ReplaceAgentKey(data) => agent::replace_key(state, data, context).map_err(Rejection::from),
        Command::ConfigureAgent(data) => agent::configure(state, data).map_err(Rejection::from),
        Command::ClearAgentConfiguration(data) => agent::clear_configuration(state, data).map_err(Rejection::from),
        Command::RemoveAgent(data) => agent::remove(state, data).map_err(Rejection::from),
        _ => return None,
    };
    Some(decided)
}

/// Nothing is changed that this version cannot read whole: it would be decided, and numbered, on half of what is so.
fn check_readable(state: &Control, changes: &[Change]) -> Result<(), Rejection> {
    let unreadable = |change: &Change| Some((change.stream.clone(), **state.quarantined.get(&change.stream)?));
    match changes.iter().find_map(unreadable) {
        Some((stream, position)) => Err(Rejection::Quarantined { stream, position }),
        None => Ok(()),
    }
}
