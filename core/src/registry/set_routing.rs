//! How the requests for a model are routed, as its operators set it.

use super::command::SetRouting;
use super::decide::{Rejection, change, registered};
use super::event::{Event, RoutingSet};
use crate::control::{Change, Control};

/// Decides [`SetRouting`].
///
/// # Errors
/// [`Rejection`].
pub fn set_routing(state: &Control, command: &SetRouting) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    if let Some(routing) = &command.routing {
        routing.check(&model.name).map_err(Rejection::Routing)?;
    }
    if model.routing.as_deref() == command.routing.as_ref() {
        return Err(Rejection::NoChange(command.model));
    }
    let set = RoutingSet { model: command.model, routing: command.routing.clone() };
    Ok(vec![change(model, Event::RoutingSet(set), vec![model.trail.changed.position])])
}
