//! Decisions about users, and their fold.

use super::command::{AddMember, BlockUser, RegisterUser, RemoveMember, RemoveUser, ReviseUser, UnblockUser};
use super::event::{Blocked, Event, MemberAdded, MemberRemoved, PasswordSet, Registered, Removed, Revised, Unblocked};
use super::{MEMBERSHIPS_MAX, Role, TEXT_MAX_CHARACTERS, User};
use crate::aggregate::{Mark, Trail};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{RealmId, UserId};
use crate::json::Json;
use crate::model_pattern::Allowed;
use crate::realm;
use crate::session;
use crate::stream::StreamId;

/// Why a command about users is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// There is or was one of that id.
    #[error("User with id {0} already exists")]
    AlreadyRegistered(UserId),
    /// There is none, or they are removed.
    #[error("there is no user `{0}`")]
    NotRegistered(UserId),
    /// Another user has it.
    #[error("User with email {0} already exists")]
    EmailTaken(String),
    /// They are blocked already.
    #[error("the user `{0}` is already blocked")]
    AlreadyBlocked(UserId),
    /// They are not blocked.
    #[error("the user `{0}` is not blocked")]
    NotBlocked(UserId),
    /// They are no member.
    #[error("the user `{user}` is no member of the realm `{realm}`")]
    NotMember {
        /// The user.
        user: UserId,
        /// The realm.
        realm: RealmId,
    },
    /// A field is out of its range.
    #[error("`{field}` of a user {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The command would change nothing.
    #[error("nothing about the user `{0}` would change")]
    NoChange(UserId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::AlreadyRegistered(_) => "user_already_registered",
            Self::NotRegistered(_) => "user_not_registered",
            Self::EmailTaken(_) => "user_email_taken",
            Self::AlreadyBlocked(_) => "user_already_blocked",
            Self::NotBlocked(_) => "user_not_blocked",
            Self::NotMember { .. } => "member_not_found",
            Self::Field { .. } => "user_field_invalid",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// The user, if they are registered and not removed.
///
/// # Errors
/// [`Rejection::NotRegistered`].
pub fn registered<'a>(state: &'a Control, id: &UserId) -> Result<&'a User, Rejection> {
    state.user(id).ok_or_else(|| Rejection::NotRegistered(id.clone()))
}

/// Decides [`RegisterUser`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterUser) -> Result<Vec<Change>, Rejection> {
    if state.users.contains(&command.user) {
        return Err(Rejection::AlreadyRegistered(command.user.clone()));
    }
    let mut cause = Vec::new();
    for realm in command.realm.iter().chain(command.memberships.keys()) {
        cause.push(realm::registered(state, realm)?.trail.changed.position);
    }
    check_role(command.role, command.realm.as_ref())?;
    command.memberships.values().try_for_each(|role| check_membership(*role))?;
    if command.memberships.len() > MEMBERSHIPS_MAX {
        return Err(Rejection::Field { field: "memberships", expected: "holds at most 1000 realms" });
    }
    check_text("alias", command.alias.as_deref())?;
    check_email(state, command.email.as_deref(), &command.user)?;
    check_models(&command.models)?;
    Ok(vec![Change {
        realm: command.realm.clone(),
        stream: StreamId::user(&command.user),
        event: AnyEvent::User(Event::Registered(Registered::from(command))),
        cause,
    }])
}

/// Decides [`ReviseUser`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseUser) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    let revised = Revised::new(command, user);
    if revised.is_empty() {
        return Err(Rejection::NoChange(command.user.clone()));
    }
    check_text("alias", revised.alias.change().flatten().map(String::as_str))?;
    check_email(state, revised.email.change().flatten().map(String::as_str), &command.user)?;
    if let Some(role) = revised.role.change() {
        check_role(role.copied().unwrap_or_default(), user.realm.as_ref())?;
    }
    if let Some(Some(models)) = revised.models.change() {
        check_models(models)?;
    }
    Ok(vec![change(user, Event::Revised(revised))])
}

/// Decides [`BlockUser`].
///
/// # Errors
/// [`Rejection`].
pub fn block(state: &Control, command: &BlockUser) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    if user.blocked.is_some() {
        return Err(Rejection::AlreadyBlocked(command.user.clone()));
    }
    Ok(vec![change(user, Event::Blocked(Blocked { user: command.user.clone() }))])
}

/// Decides [`UnblockUser`].
///
/// # Errors
/// [`Rejection`].
pub fn unblock(state: &Control, command: &UnblockUser) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    if user.blocked.is_none() {
        return Err(Rejection::NotBlocked(command.user.clone()));
    }
    Ok(vec![change(user, Event::Unblocked(Unblocked { user: command.user.clone() }))])
}

/// Decides [`RemoveUser`].
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveUser) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    Ok(vec![change(user, Event::Removed(Removed { user: command.user.clone() }))])
}

/// Decides [`AddMember`].
///
/// # Errors
/// [`Rejection`].
pub fn add_member(state: &Control, command: &AddMember) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    let realm = realm::registered(state, &command.realm)?;
    check_membership(command.role)?;
    match user.memberships.get(&command.realm) {
        Some(role) if *role == command.role => return Err(Rejection::NoChange(command.user.clone())),
        None if user.memberships.len() >= MEMBERSHIPS_MAX => {
            return Err(Rejection::Field { field: "memberships", expected: "holds at most 1000 realms" });
        }
        Some(_) | None => {}
    }
    let AddMember { realm: id, user: of, role } = command.clone();
    let mut change = change(user, Event::MemberAdded(MemberAdded { realm: id, user: of, role }));
    change.cause.push(realm.trail.changed.position);
    Ok(vec![change])
}

/// Decides [`RemoveMember`].
///
/// # Errors
/// [`Rejection`].
pub fn remove_member(state: &Control, command: &RemoveMember) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    let RemoveMember { realm, user: of } = command.clone();
    if !user.memberships.contains_key(&realm) {
        return Err(Rejection::NotMember { user: of, realm });
    }
    Ok(vec![change(user, Event::MemberRemoved(MemberRemoved { realm, user: of }))])
}

fn change(user: &User, event: Event) -> Change {
    Change {
        realm: user.realm.clone(),
        stream: StreamId::user(&user.id),
        event: AnyEvent::User(event),
        cause: vec![user.trail.changed.position],
    }
}

/// A realm's admin without a realm would be the admin of nothing, and a gateway's admin has no realm above.
fn check_role(role: Role, realm: Option<&RealmId>) -> Result<(), Rejection> {
    match (role, realm) {
        (Role::Operator | Role::Admin | Role::Observer, Some(_)) => Err(Rejection::Field {
            field: "role",
            expected: "is not `operator`, `admin` or `observer` where they belong to a realm",
        }),
        _ => Ok(()),
    }
}

const fn check_membership(role: Role) -> Result<(), Rejection> {
    if role.is_of_realms() {
        return Ok(());
    }
    Err(Rejection::Field { field: "memberships", expected: "are as `realm_admin`, `member` or `viewer`" })
}

fn check_text(field: &'static str, text: Option<&str>) -> Result<(), Rejection> {
    match text {
        Some(text) if !(1..=TEXT_MAX_CHARACTERS).contains(&text.chars().count()) => {
            Err(Rejection::Field { field, expected: "has 1 to 256 characters" })
        }
        _ => Ok(()),
    }
}

/// Looks through all users: registering one is rare, and an index would be one more thing to keep.
fn check_email(state: &Control, email: Option<&str>, of: &UserId) -> Result<(), Rejection> {
    check_text("email", email)?;
    let Some(email) = email else { return Ok(()) };
    let has_it = |user: &User| {
        user.id != *of && user.removed.is_none() && user.email.as_deref().is_some_and(|other| is_same(other, email))
    };
    match state.users.iter().any(|(_, user)| has_it(user)) {
        true => Err(Rejection::EmailTaken(email.to_owned())),
        false => Ok(()),
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
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

/// Folds what happened to a user.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    if let Event::Registered(data) = event {
        state.users.put(data.user.clone(), born(data, mark));
        return;
    }
    evolve_access(state, event);
    state.users.update(event.user(), |user| {
        match event {
            Event::Registered(_) | Event::PasswordSet(_) => {}
            Event::Revised(data) => {
                data.alias.apply(&mut user.alias);
                data.email.apply(&mut user.email);
                data.role.apply_or(&mut user.role, Role::default());
                data.models.apply_or(&mut user.models, Allowed::All);
                data.limits.apply(&mut user.limits);
                data.metadata.apply_or(&mut user.metadata, Json::empty());
            }
            Event::Blocked(_) => user.blocked = Some(mark.position),
            Event::Unblocked(_) => user.blocked = None,
            Event::Removed(_) => user.removed = Some(mark.position),
            Event::MemberAdded(data) => drop(user.memberships.insert(data.realm.clone(), data.role)),
            Event::MemberRemoved(data) => drop(user.memberships.remove(&data.realm)),
        }
        user.trail.step(mark);
    });
}

/// What a change of a user does to how they sign in: sessions end with whatever they stood on.
fn evolve_access(state: &mut Control, event: &Event) {
    let user = event.user();
    match event {
        Event::PasswordSet(PasswordSet { password: Some(password), .. }) => {
            state.passwords.put(user.clone(), password.clone());
        }
        Event::PasswordSet(PasswordSet { password: None, .. }) | Event::Removed(_) => state.passwords.remove(user),
        Event::Revised(data) if data.role.is_keep() => return,
        Event::Registered(_) | Event::Unblocked(_) => return,
        Event::Revised(_) | Event::Blocked(_) | Event::MemberAdded(_) | Event::MemberRemoved(_) => {}
    }
    session::end_of_user(state, user);
}

fn born(data: &Registered, mark: &Mark) -> User {
    User {
        id: data.user.clone(),
        realm: data.realm.clone(),
        alias: data.alias.clone(),
        email: data.email.clone(),
        role: data.role,
        models: data.models.clone(),
        limits: data.limits,
        memberships: data.memberships.clone(),
        blocked: None,
        removed: None,
        metadata: data.metadata.clone(),
        trail: Trail::born(mark),
    }
}
