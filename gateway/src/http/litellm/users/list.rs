//! `GET /user/list`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::role_name;
use tallygate_core::control::Control;
use tallygate_core::user::User;

use super::row;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::keys::of_user::of_users;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::litellm::unsupported::not_supported;

const SIZE_DEFAULT: u64 = 25;
const SIZE_MAX: u64 = 100;
const PAGE_MAX: u64 = u32::MAX as u64;

/// Users that the caller manages, newest first, a page at a time.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/user/list").await?;
    let query = Query::read(&uri)?;
    let page = query.number("page", 1, 1..=PAGE_MAX)?;
    let size = query.number("page_size", SIZE_DEFAULT, 1..=SIZE_MAX)?;
    for name in ["sso_user_ids", "sort_by"] {
        if query.text(name).is_some() {
            return Err(not_supported(name));
        }
    }
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let mut users = wanted(control, &caller, &query);
    users.sort_by_key(|user| std::cmp::Reverse(user.trail.created.position));
    let total = users.len() as u64;
    let skip = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    let on_page: Vec<&User> = users.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(1)).collect();
    let keys = of_users(&app, on_page.iter().map(|user| user.id.clone()).collect()).await?;
    let rows = on_page.iter().map(|user| {
        let keys = keys.get(&user.id).map_or(&[][..], Vec::as_slice);
        row::row(&app, control, user, keys)
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({
        "users": rows, "total": total, "page": page, "page_size": size, "total_pages": total.div_ceil(size),
    })))
}

fn wanted<'a>(control: &'a Control, caller: &Caller, query: &Query) -> Vec<&'a User> {
    let ids: Option<Vec<&str>> = query.text("user_ids").map(|ids| ids.split(',').map(str::trim).collect());
    let role = query.text("role");
    let (email, team) = (query.text("user_email").map(str::to_lowercase), query.text("team"));
    let is_in = |user: &User, team: &str| {
        user.realm.as_ref().is_some_and(|realm| realm.as_str() == team) || user.memberships.contains_key(team)
    };
    let everywhere = matches!(caller, Caller::Operator)
        || caller.user(control).is_some_and(|by| by.role <= tallygate_core::user::Role::Admin);
    let is_wanted = |user: &&User| {
        let managed = everywhere || user.realm.as_ref().is_some_and(|realm| caller.manages(control, realm));
        managed
            && user.removed.is_none()
            && ids.as_ref().is_none_or(|ids| ids.contains(&user.id.as_str()))
            && role.is_none_or(|role| role_name::of_user(role) == Some(user.role))
            && team.is_none_or(|team| is_in(user, team))
            && email.as_ref().is_none_or(|part| {
                user.email.as_ref().is_some_and(|email| email.to_lowercase().contains(part.as_str()))
            })
    };
    control.users.iter().map(|(_, user)| user.as_ref()).filter(is_wanted).collect()
}
