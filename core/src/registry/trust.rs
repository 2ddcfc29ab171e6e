//! Whether a model's price is trusted: one whose request cost more than the bound that was held for it is not, until an
//! operator says so. What rests on the bound, a strict budget, does not pay for it meanwhile.

use super::command::{DistrustModel, TrustModel};
use super::decide::{Rejection, change, registered};
use super::event::{Event, ModelDistrusted, ModelTrusted};
use crate::control::{Change, Control};

/// Decides [`DistrustModel`].
///
/// # Errors
/// [`Rejection`].
pub fn distrust(state: &Control, command: &DistrustModel) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    if model.distrusted.is_some() {
        return Err(Rejection::NoChange(command.model));
    }
    let DistrustModel { model: id, request, held_nano_usd, cost_nano_usd } = *command;
    let distrusted = ModelDistrusted { model: id, request, held_nano_usd, cost_nano_usd };
    Ok(vec![change(model, Event::Distrusted(distrusted), vec![model.trail.changed.position])])
}

/// Decides [`TrustModel`].
///
/// # Errors
/// [`Rejection`].
pub fn trust(state: &Control, command: &TrustModel) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    let since = model.distrusted.ok_or(Rejection::NoChange(command.model))?;
    Ok(vec![change(model, Event::Trusted(ModelTrusted { model: command.model }), vec![since])])
}
