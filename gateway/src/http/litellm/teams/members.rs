//! `POST /team/member_add`, `/team/member_update` and `/team/member_delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::id::UserId;
use tallygate_core::user::{AddMember, RemoveMember};

use super::member::Members;
use super::refused::refused;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::roles;
use crate::http::litellm::unsupported::refuse;
use crate::http::litellm::users;
use crate::http::operator;

/// A limit of a member within a team: there is none yet.
pub(super) const UNSUPPORTED: [&str; 6] =
    ["max_budget_in_team", "tpm_limit", "rpm_limit", "budget_duration", "allowed_models", "models"];

/// Makes users members of a team. Those who are not known are registered.
pub(super) async fn add(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/member_add").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &UNSUPPORTED)?;
    let members = Members::to_add(&fields)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let id = find::named(&snapshot.control, &fields, "team_id")?.id.clone();
    let (commands, added) = members.commands(&app, &snapshot.control, &id, &manager)?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "team_id")?;
    let mut answer = row::team(&app, &snapshot.control, realm)?;
    let rows = users::row::briefs(&app, &snapshot.control, &added)?;
    let memberships: Vec<Value> = added
        .iter()
        .map(|user| json!({ "user_id": user, "team_id": id, "spend": null, "budget_id": null, "litellm_budget_table": null }))
        .collect();
    answer.insert("updated_users".to_owned(), json!(rows));
    answer.insert("updated_team_memberships".to_owned(), json!(memberships));
    Ok(changed(position, Value::Object(answer)))
}

/// Gives a member another role.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/member_update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &UNSUPPORTED)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let realm = find::named(&snapshot.control, &fields, "team_id")?.id.clone();
    let user = member(&snapshot.control, &fields)?;
    if !snapshot.control.user(&user).is_some_and(|user| user.memberships.contains_key(&realm)) {
        let missing = tallygate_core::user::Rejection::NotMember { user, realm };
        return Err(ApiError::coded(missing.code(), 404, missing.to_string()).param("user_id"));
    }
    let role = fields.text("role")?.into_value();
    let commands = match &role {
        Some(role) => {
            let role =
                roles::of_member(role).ok_or_else(|| fields.refused("role", "a member's role is `admin` or `user`"))?;
            vec![AddMember { realm: realm.clone(), user: user.clone(), role }.into()]
        }
        None => Vec::new(),
    };
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let email = snapshot.control.user(&user).and_then(|user| user.email.clone());
    Ok(changed(
        position,
        json!({
            "team_id": realm, "user_id": user, "user_email": email, "max_budget_in_team": null, "tpm_limit": null,
            "rpm_limit": null, "role": role,
        }),
    ))
}

/// Ends a membership. The member's keys in the team stay: they are the team's to delete.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/member_delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let realm = find::named(&snapshot.control, &fields, "team_id")?.id.clone();
    let user = member(&snapshot.control, &fields)?;
    let remove = RemoveMember { realm: realm.clone(), user };
    let position = carry_out(&app, manager.actor, vec![remove.into()]).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, realm.as_str(), "team_id")?;
    Ok(changed(position, Value::Object(row::team(&app, &snapshot.control, realm)?)))
}

/// The user that is meant, by their id or their email address.
fn member(control: &Control, fields: &Fields<'_>) -> Result<UserId, ApiError> {
    roles::named(control, fields).map(|user| user.id.clone())
}
