//! Decisions about tags, and their fold.

use super::command::{RegisterTag, RemoveTag, ReviseTag};
use super::event::{Event, Registered, Removed, Revised};
use super::{DESCRIPTION_MAX_CHARACTERS, Tag, TagRef};
use crate::aggregate::{Mark, Trail};
use crate::budget;
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::model_pattern::Allowed;
use crate::realm;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};

/// Why a command about tags is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// There is one of that name.
    #[error("the tag `{0}` is already registered")]
    AlreadyRegistered(TagRef),
    /// There is none, or it is removed.
    #[error("there is no tag `{0}`")]
    NotRegistered(TagRef),
    /// A field that is too long.
    #[error("`{field}` of a tag is not acceptable: {expected}")]
    Field {
        /// Which.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// The command would change nothing.
    #[error("nothing about the tag `{0}` would change")]
    NoChange(TagRef),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::AlreadyRegistered(_) => "tag_already_registered",
            Self::NotRegistered(_) => "tag_not_registered",
            Self::Field { .. } => "tag_field_invalid",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// The tag, if it is registered and not removed.
///
/// # Errors
/// [`Rejection::NotRegistered`].
pub fn registered<'a>(state: &'a Control, which: &TagRef) -> Result<&'a Tag, Rejection> {
    state.tag(which).ok_or_else(|| Rejection::NotRegistered(which.clone()))
}

/// Decides [`RegisterTag`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterTag) -> Result<Vec<Change>, Rejection> {
    let which = command.which();
    if state.tag(&which).is_some() {
        return Err(Rejection::AlreadyRegistered(which));
    }
    let mut cause = Vec::new();
    if let Some(realm) = &command.realm {
        cause.push(realm::registered(state, realm)?.trail.changed.position);
    }
    check_description(command.description.as_deref())?;
    check_models(&command.models)?;
    Ok(vec![change(&which, Event::Registered(Registered::from(command)), cause)])
}

/// Decides [`ReviseTag`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseTag) -> Result<Vec<Change>, Rejection> {
    let which = command.which();
    let current = registered(state, &which)?;
    let revised = Revised::new(command, current);
    if revised.is_empty() {
        return Err(Rejection::NoChange(which));
    }
    check_description(revised.description.change().flatten().map(String::as_str))?;
    if let Some(Some(models)) = revised.models.change() {
        check_models(models)?;
    }
    Ok(vec![follows(current, Event::Revised(revised))])
}

/// Decides [`RemoveTag`]. Its budget goes with it: what is registered by the name later has none.
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveTag) -> Result<Vec<Change>, Rejection> {
    let which = command.which();
    let current = registered(state, &which)?;
    let mut changes = Vec::new();
    changes.extend(budget::withdrawn(state, &Scope::Tag(which.clone())));
    let TagRef { realm, name: tag } = which;
    changes.push(follows(current, Event::Removed(Removed { tag, realm })));
    Ok(changes)
}

fn follows(current: &Tag, event: Event) -> Change {
    change(&current.tag, event, vec![current.trail.changed.position])
}

fn change(which: &TagRef, event: Event, cause: Vec<Position>) -> Change {
    Change { realm: which.realm.clone(), stream: StreamId::tag(which), event: AnyEvent::Tag(event), cause }
}

fn check_description(description: Option<&str>) -> Result<(), Rejection> {
    match description {
        Some(text) if !(1..=DESCRIPTION_MAX_CHARACTERS).contains(&text.chars().count()) => {
            Err(Rejection::Field { field: "description", expected: "1 to 1,024 characters" })
        }
        _ => Ok(()),
    }
}

fn check_models(models: &Allowed) -> Result<(), Rejection> {
    if models.is_too_long() {
        return Err(Rejection::Field {
            field: "models",
            expected: "holds at most 1000 names and patterns: use a wildcard",
        });
    }
    Ok(())
}

/// Folds what happened to a tag.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    let which = event.tag();
    if let Event::Registered(data) = event {
        let row = born(state, &which, data, mark);
        state.tags.put(which, row);
        return;
    }
    state.tags.update(&which, |tag| {
        match event {
            Event::Registered(_) => {}
            Event::Revised(data) => {
                data.description.apply(&mut tag.description);
                data.models.apply_or(&mut tag.models, Allowed::All);
                data.limits.apply(&mut tag.limits);
            }
            Event::Removed(_) => tag.removed = Some(mark.position),
        }
        tag.trail.step(mark);
    });
}

/// One that comes back goes on in the stream that it had.
fn born(state: &Control, which: &TagRef, data: &Registered, mark: &Mark) -> Tag {
    let trail = match state.tags.get(which) {
        Some(earlier) => Trail { version: earlier.trail.version + 1, ..Trail::born(mark) },
        None => Trail::born(mark),
    };
    Tag {
        tag: which.clone(),
        description: data.description.clone(),
        models: data.models.clone(),
        limits: data.limits,
        removed: None,
        trail,
    }
}
