//! `POST /organization/member_add`, `PATCH /organization/member_update` and `DELETE /organization/member_delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::litellm::role_name;
use tallygate_core::control::Control;
use tallygate_core::id::{RealmId, UserId};
use tallygate_core::user::{AddMember, RemoveMember};

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::teams::find;
use crate::http::litellm::teams::member::Members;
use crate::http::litellm::teams::refused::refused;
use crate::http::litellm::unsupported::refuse;
use crate::http::litellm::{roles, users};
use crate::http::operator;

const ORGANIZATION: &str = "organization_id";
/// A budget of a member within an organization: there is none yet.
const UNSUPPORTED: [&str; 1] = ["max_budget_in_organization"];

/// Makes users members of an organization. Those who are not known are registered.
pub(super) async fn add(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/member_add").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &UNSUPPORTED)?;
    let members = Members::to_add(&fields)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let id = find::named(&snapshot.control, &fields, ORGANIZATION)?.id.clone();
    let (commands, added) = members.commands(&app, &snapshot.control, &id, &manager)?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let rows = users::row::briefs(&app, &snapshot.control, &added)?;
    let memberships: Vec<Value> = added.iter().map(|user| membership(&snapshot.control, &id, user)).collect();
    let answer = json!({ ORGANIZATION: id, "updated_users": rows, "updated_organization_memberships": memberships });
    Ok(changed(position, answer))
}

/// Gives a member another role.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/member_update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &UNSUPPORTED)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let (realm, user) = member(&snapshot.control, &fields)?;
    let wrong = || fields.refused("role", "a member's role is `org_admin`, `internal_user` or `internal_user_viewer`");
    let role = fields.text("role")?.into_value().map(|name| roles::of_member(&name).ok_or_else(wrong)).transpose()?;
    let add = |role| AddMember { realm: realm.clone(), user: user.clone(), role }.into();
    let position = carry_out(&app, manager.actor, role.into_iter().map(add).collect()).await.map_err(refused)?;
    Ok(changed(position, membership(&control.snapshot().control, &realm, &user)))
}

/// Ends a membership. The member's keys stay: they are the organization's to delete.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/member_delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let (realm, user) = member(&snapshot.control, &fields)?;
    let was = membership(&snapshot.control, &realm, &user);
    let remove = RemoveMember { realm, user };
    let position = carry_out(&app, manager.actor, vec![remove.into()]).await.map_err(refused)?;
    Ok(changed(position, was))
}

/// The organization and its member that a body names.
fn member(control: &Control, fields: &Fields<'_>) -> Result<(RealmId, UserId), ApiError> {
    let realm = find::named(control, fields, ORGANIZATION)?.id.clone();
    let user = roles::named(control, fields)?;
    if user.memberships.contains_key(&realm) {
        return Ok((realm, user.id.clone()));
    }
    let missing = tallygate_core::user::Rejection::NotMember { user: user.id.clone(), realm };
    Err(ApiError::coded(missing.code(), 404, missing.to_string()).param("user_id"))
}

fn membership(control: &Control, realm: &RealmId, user: &UserId) -> Value {
    let role = control.user(user).and_then(|user| user.memberships.get(realm)).copied();
    json!({
        "user_id": user, ORGANIZATION: realm, "user_role": role.map(role_name::name), "spend": null, "budget_id": null,
        "litellm_budget_table": null,
    })
}
