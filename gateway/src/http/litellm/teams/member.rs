//! The members that a request names, by their id or their email address, and what makes them members.

use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::id::{RealmId, UserId};
use tallygate_core::json::Json;
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::user::{AddMember, RegisterUser, Role, User};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::roles;
use crate::http::operator::Manager;

/// The most members of one call.
const MEMBERS_MAX: usize = 49;

/// Members that are to be.
#[derive(Debug, Default)]
pub(in crate::http::litellm) struct Members(Vec<Member>);

/// One of them.
#[derive(Debug)]
struct Member {
    id: Option<UserId>,
    email: Option<String>,
    role: Role,
}

impl Members {
    /// Reads one member, or a list of them; none where the field is not there.
    ///
    /// # Errors
    /// 422 for another type, 400 for what cannot be a member.
    pub(in crate::http::litellm) fn read(fields: &Fields<'_>, name: &'static str) -> Result<Self, ApiError> {
        Self::read_at_most(fields, name, MEMBERS_MAX)
    }

    /// The same where there may be more, each for itself.
    ///
    /// # Errors
    /// As [`Members::read`].
    pub(super) fn read_at_most(fields: &Fields<'_>, name: &'static str, most: usize) -> Result<Self, ApiError> {
        let named = match fields.value(name)? {
            Value::Null => Vec::new(),
            Value::Array(members) => members,
            member => vec![member],
        };
        if named.len() > most {
            return Err(fields.refused(name, &format!("Maximum {most} members can be added at once")));
        }
        named.iter().map(|member| Member::read(fields, name, member)).collect::<Result<_, _>>().map(Self)
    }

    /// Reads who is to be added: at least one.
    ///
    /// # Errors
    /// As [`Members::read`], and 400 where nobody is named.
    pub(in crate::http::litellm) fn to_add(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let members = Self::read(fields, "member")?;
        if members.0.is_empty() { Err(fields.missing("member")) } else { Ok(members) }
    }

    /// Users who are known already, as plain members.
    pub(super) fn of_users<'a>(users: impl Iterator<Item = &'a User>) -> Self {
        let member = |user: &User| Member { id: Some(user.id.clone()), email: user.email.clone(), role: Role::Member };
        Self(users.map(member).collect())
    }

    /// Each for itself.
    pub(super) fn each(self) -> impl ExactSizeIterator<Item = Self> {
        self.0.into_iter().map(|member| Self(vec![member]))
    }

    /// What the first is named by: an id, an email address, or both.
    pub(super) fn named(&self) -> (Option<&UserId>, Option<&str>) {
        let first = self.0.first();
        (first.and_then(|member| member.id.as_ref()), first.and_then(|member| member.email.as_deref()))
    }

    /// The commands that make them members, and who they are. Someone who is not known is registered first: as a user of
    /// the whole gateway by an operator, else as one of the team.
    ///
    /// # Errors
    /// 400 if an id cannot be made.
    pub(in crate::http::litellm) fn commands(
        &self,
        app: &App,
        control: &Control,
        realm: &RealmId,
        by: &Manager,
    ) -> Result<(Vec<Command>, Vec<UserId>), ApiError> {
        let (mut commands, mut users): (Vec<Command>, _) = (Vec::new(), Vec::new());
        for member in &self.0 {
            let user = match member.known(control) {
                Some(user) => user.id.clone(),
                None => {
                    let id = match &member.id {
                        Some(id) => id.clone(),
                        None => roles::new_user_id(app)?,
                    };
                    let home = (!by.is_operator()).then(|| realm.clone());
                    commands.push(registered(id.clone(), member.email.clone(), home).into());
                    id
                }
            };
            users.push(user.clone());
            commands.push(AddMember { realm: realm.clone(), user, role: member.role }.into());
        }
        Ok((commands, users))
    }
}

fn registered(user: UserId, email: Option<String>, realm: Option<RealmId>) -> RegisterUser {
    RegisterUser {
        user,
        realm,
        alias: None,
        email,
        role: Role::Member,
        models: Allowed::All,
        limits: Limits::default(),
        memberships: std::collections::BTreeMap::new(),
        metadata: Json::empty(),
    }
}

impl Member {
    fn read(fields: &Fields<'_>, name: &'static str, member: &Value) -> Result<Self, ApiError> {
        let text = |key: &str| member.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let role = match text("role") {
            Some(role) => {
                roles::of_member(role).ok_or_else(|| fields.refused(name, "a member's role is `admin` or `user`"))?
            }
            None => return Err(fields.wrong(name, "missing", "a member has a `role`")),
        };
        let id = text("user_id").map(UserId::new).transpose();
        let id = id.map_err(|error| fields.refused(name, &error.to_string()))?;
        let email = text("user_email").map(str::to_owned);
        if id.is_none() && email.is_none() {
            return Err(fields.refused(name, "a member has a `user_id` or a `user_email`"));
        }
        Ok(Self { id, email, role })
    }

    fn known<'a>(&self, control: &'a Control) -> Option<&'a User> {
        match (&self.id, &self.email) {
            (Some(id), _) => control.user(id),
            (None, Some(email)) => roles::by_email(control, email),
            (None, None) => None,
        }
    }
}
