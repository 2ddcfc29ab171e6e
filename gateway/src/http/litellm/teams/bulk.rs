//! `POST /team/bulk_member_add`: many members of one team, each by itself.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::id::RealmId;
use tallygate_core::stream::Position;

use super::member::Members;
use super::members::UNSUPPORTED;
use super::refused::refused;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::refuse;
use crate::http::litellm::users;
use crate::http::operator::{self, Manager};

/// The most members of one call, as in LiteLLM.
const MEMBERS_MAX: usize = 500;

/// Makes users members of a team, those who are named or `all_users`. What is refused of one is told beside the others, and
/// changes nothing of them.
///
/// Cancellation: those who were added stay so.
pub(super) async fn add(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/bulk_member_add").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &UNSUPPORTED)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let id = find::named(&snapshot.control, &fields, "team_id")?.id.clone();
    let members = match fields.flag("all_users")?.into_value() {
        Some(true) => {
            let users = snapshot.control.users.iter().map(|(_, user)| user.as_ref());
            Members::of_users(users.filter(|user| user.removed.is_none()))
        }
        _ => Members::read_at_most(&fields, "members", MEMBERS_MAX)?,
    };
    let each = members.each();
    let requested = each.len();
    if requested == 0 {
        return Err(fields.refused("members", "At least one member is required"));
    }
    if requested > MEMBERS_MAX {
        return Err(fields.refused("members", &format!("Maximum {MEMBERS_MAX} members can be added at once")));
    }
    let (mut results, mut added) = (Vec::with_capacity(requested), 0_usize);
    let mut position = control.position();
    for member in each {
        let (user_id, user_email) = member.named();
        let named = json!({ "user_id": user_id, "user_email": user_email });
        results.push(match one(&app, &manager, &id, &member).await {
            Ok((at, user)) => {
                (position, added) = (at, added + 1);
                told(&named, Ok(user), &id)
            }
            Err(error) => told(&named, Err(error), &id),
        });
    }
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "team_id")?;
    Ok(changed(
        position,
        json!({
            "team_id": id, "results": results, "total_requested": requested, "successful_additions": added,
            "failed_additions": requested - added, "updated_team": row::team(&app, &snapshot.control, realm)?,
        }),
    ))
}

/// Makes one a member, and tells since when, and their row.
async fn one(app: &App, by: &Manager, realm: &RealmId, member: &Members) -> Result<(Position, Value), ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let (commands, users) = member.commands(app, &snapshot.control, realm, by)?;
    let position = carry_out(app, by.actor.clone(), commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let rows = users::row::briefs(app, &snapshot.control, &users)?;
    Ok((position, rows.into_iter().next().map(Value::Object).unwrap_or_default()))
}

fn told(named: &Value, done: Result<Value, ApiError>, realm: &RealmId) -> Value {
    let (user, error) = match done {
        Ok(user) => (user, None),
        Err(error) => (Value::Null, Some(error.message)),
    };
    let membership = (!user.is_null()).then(|| {
        json!({ "user_id": user["user_id"], "team_id": realm, "spend": null, "budget_id": null, "litellm_budget_table": null })
    });
    json!({
        "user_id": named["user_id"], "user_email": named["user_email"], "success": error.is_none(), "error": error,
        "updated_user": user, "updated_team_membership": membership,
    })
}
