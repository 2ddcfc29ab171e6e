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

fn decide_any(state: &Control, command: &Command, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    Ok(match command {
        Command::RegisterRealm(data) => realm::register(state, data)?,
        Command::ReviseRealm(data) => realm::revise(state, data)?,
        Command::SuspendRealm(data) => realm::suspend(state, data)?,
        Command::ResumeRealm(data) => realm::resume(state, data)?,
        Command::RemoveRealm(data) => realm::remove(state, data)?,
        Command::RegisterUser(data) => user::register(state, data)?,
        Command::ReviseUser(data) => user::revise(state, data)?,
        Command::BlockUser(data) => user::block(state, data)?,
        Command::UnblockUser(data) => user::unblock(state, data)?,
        Command::RemoveUser(data) => user::remove(state, data)?,
        Command::AddMember(data) => user::add_member(state, data)?,
        Command::RemoveMember(data) => user::remove_member(state, data)?,
        Command::SetPassword(data) => user::set_password(state, data)?,
        Command::StartSession(data) => session::start(state, data, context.now)?,
        Command::EndSession(data) => session::end(state, data)?,
        Command::RegisterEndUser(data) => end_user::register(state, data)?,
        Command::ReviseEndUser(data) => end_user::revise(state, data)?,
        Command::BlockEndUser(data) => end_user::block(state, data)?,
        Command::UnblockEndUser(data) => end_user::unblock(state, data)?,
        Command::RemoveEndUser(data) => end_user::remove(state, data)?,
        Command::RegisterTag(data) => tag::register(state, data)?,
        Command::ReviseTag(data) => tag::revise(state, data)?,
        Command::RemoveTag(data) => tag::remove(state, data)?,
        Command::GrantModel(data) => grant::grant(state, data)?,
        Command::WithdrawGrant(data) => grant::withdraw(state, data)?,
        Command::ReplaceGrants(data) => grant::replace(state, data)?,
        Command::StoreCredential(data) => credential::store(state, data)?,
        Command::ReplaceSecret(data) => credential::replace_secret(state, data)?,
        Command::RemoveCredential(data) => credential::remove(state, data)?,
        Command::RegisterModel(data) => registry::register(state, data, context)?,
        Command::AddDeployment(data) => registry::add_deployment(state, data, context)?,
        Command::ReviseDeployment(data) => registry::revise_deployment(state, data, context)?,
        Command::RemoveDeployment(data) => registry::remove_deployment(state, data)?,
        Command::RevisePrice(data) => registry::revise_price(state, data)?,
        Command::RetireModel(data) => registry::retire(state, data)?,
        Command::DistrustModel(data) => registry::distrust(state, data)?,
        Command::TrustModel(data) => registry::trust(state, data)?,
        Command::SetRouting(data) => registry::set_routing(state, data)?,
        Command::IssueKey(data) => key::issue(state, data, context)?,
        Command::ReviseKey(data) => key::revise(state, data, context)?,
        Command::RotateKey(data) => key::rotate(state, data, context.now)?,
        Command::BlockKey(data) => key::block(state, data)?,
        Command::UnblockKey(data) => key::unblock(state, data)?,
        Command::RevokeKey(data) => key::revoke(state, data)?,
        Command::SetBudget(data) => budget::set(state, data, context.now)?,
        Command::ResetBudget(data) => budget::reset(state, data, context.now)?,
        Command::AttachBudget(data) => budget::attach(state, data)?,
        Command::ReviseBudget(data) => budget::revise(state, data, context.now)?,
        Command::CarrySpend(data) => budget::carry(state, data, context.now)?,
        Command::RegisterNamedBudget(data) => named_budget::register(state, data, context.now)?,
        Command::ReviseNamedBudget(data) => named_budget::revise(state, data, context.now)?,
        Command::RemoveNamedBudget(data) => named_budget::remove(state, data)?,
        Command::SelectModel(data) => selection::select(state, data)?,
        Command::SelectPreset(data) => selection::select_preset(state, data)?,
        Command::SavePreset(data) => selection::preset::save(state, data)?,
        Command::DeletePreset(data) => selection::preset::delete(state, data)?,
        Command::ClearSelection(data) => selection::clear(state, data)?,
        Command::UndoSelection(data) => selection::undo(state, data)?,
        Command::RegisterAgent(data) => agent::register(state, data)?,
        Command::RotateAgentToken(data) => agent::rotate_token(state, data)?,
        Command::JoinRealm(data) => agent::join_realm(state, data, context)?,
        Command::LeaveRealm(data) => agent::leave_realm(state, data)?,
        Command::ReplaceAgentKey(data) => agent::replace_key(state, data, context)?,
        Command::ConfigureAgent(data) => agent::configure(state, data)?,
        Command::ClearAgentConfiguration(data) => agent::clear_configuration(state, data)?,
        Command::RemoveAgent(data) => agent::remove(state, data)?,
        Command::Together(_) => return Err(Rejection::TooManyTogether),
    })
}

/// Nothing is changed that this version cannot read whole: it would be decided, and numbered, on half of what is so.
fn check_readable(state: &Control, changes: &[Change]) -> Result<(), Rejection> {
    let unreadable = |change: &Change| Some((change.stream.clone(), **state.quarantined.get(&change.stream)?));
    match changes.iter().find_map(unreadable) {
        Some((stream, position)) => Err(Rejection::Quarantined { stream, position }),
        None => Ok(()),
    }
}
