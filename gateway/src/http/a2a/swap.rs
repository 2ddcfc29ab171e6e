//! Control messages, carried out: another model by a command, so that it is in the log; another prompt in memory.

use tallygate_core::control::Control as State;
use tallygate_core::id::{ModelName, SlotName};
use tallygate_core::scope::Scope;
use tallygate_core::selection::SelectModel;

use super::Turn;
use super::asking::serving;
use crate::a2a::control_message::Control;
use crate::a2a::rpc::Fault;
use crate::http::selector::named::Names;

/// Does what a control message asks for, and words the answer.
///
/// # Errors
/// Why it is refused; nothing has changed then.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn carry_out(turn: &Turn<'_>, control: Control) -> Result<String, Fault> {
    match control {
        Control::Model(name) => select(turn, &name).await,
        Control::Prompt(prompt) => {
            let said = if prompt.is_some() {
                "The prompt of this conversation is set."
            } else {
                "The prompt of this conversation is cleared."
            };
            turn.app.agents.conversations().set_prompt(&turn.place(), prompt);
            Ok(said.to_owned())
        }
        Control::Configuration => Ok(configuration(turn)),
    }
}

async fn select(turn: &Turn<'_>, name: &str) -> Result<String, Fault> {
    let control = &turn.app.pipeline.views.control;
    let model = meant(turn, &control.snapshot().control, name)?;
    let scope = Scope::Context(turn.place().conversation);
    let command = SelectModel { scope, slot: SlotName::current(), model: model.clone() };
    let position = match turn.app.commands.issue(turn.visitor.actor.clone(), command).await {
        Ok(receipt) => receipt.position,
        Err(refused) if refused.code == "no_change" => control.position(),
        Err(refused) => return Err(crate::http::error::ApiError::from(refused).into()),
    };
    Ok(format!("Model: {model}\nThis conversation uses it from its next message on (position {position})."))
}

/// The public name that is meant, as the first realm of the agent's sees it that may call it.
fn meant(turn: &Turn<'_>, control: &State, name: &str) -> Result<ModelName, Fault> {
    let vendors = turn.app.pipeline.upstreams.vendors();
    let find = |realm| {
        let names = Names { control, vendors, realm };
        let beside = || name.split_once('/').and_then(|(provider, model)| names.find(model, Some(provider)));
        names.find(name, None).or_else(beside).map(|model| &model.name)
    };
    let realms = || turn.visitor.agent.realms.iter().map(|joined| &joined.realm);
    let callable = realms().find_map(|realm| find(realm).filter(|name| control.realm_may_call(realm, name)));
    match callable.or_else(|| realms().find_map(find)) {
        Some(name) => Ok(name.clone()),
        // A name that leads nowhere is what the command is refused for, and recorded with.
        None => ModelName::new(name).map_err(|error| Fault::new(Fault::INVALID_PARAMS, error.to_string())),
    }
}

fn configuration(turn: &Turn<'_>) -> String {
    let snapshot = turn.app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let conversation = turn.place().conversation;
    let scopes = [Scope::Context(conversation.clone()), Scope::Agent(conversation.agent)];
    let model = match serving(turn, control) {
        Ok(serving) => serving.model.name.to_string(),
        Err(error) => format!("none: {}", error.message),
    };
    let by = control.selected(&scopes, &SlotName::current()).map(|selection| selection.scope.to_string());
    let by = by.unwrap_or_else(|| "the agent's configuration and realms".to_owned());
    let recalled = turn.app.agents.conversations().recall(&turn.place());
    let prompt = recalled.prompt.as_deref().unwrap_or("none");
    format!(
        "Model: {model}\nChosen by: {by}\nPrompt: {prompt}\nContext: {}\nTurns remembered: {}",
        turn.context,
        recalled.turns.len()
    )
}
