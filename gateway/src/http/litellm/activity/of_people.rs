//! `GET /user/daily/activity` and `/team/daily/activity`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tallygate_core::id::{KeyId, RealmId};
use tallygate_projections::Spent;

use super::asked::{Asked, names};
use super::by_day::ByDay;
use super::forbidden;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::http::litellm::spend::daily::in_detail;
use crate::http::litellm::spend::filter::Keys;
use crate::http::litellm::spent;

/// Whose use is asked for.
#[derive(Debug, Default)]
struct Wanted {
    user: Option<String>,
    realms: Option<BTreeSet<String>>,
    key: Option<KeyId>,
}

/// A user's use: one's own without an id. The operator without one sees everybody's.
pub(super) async fn of_user(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/user/daily/activity").await?;
    let query = Query::read(&uri)?;
    let asked = query.text("user_id").map(str::to_owned);
    let wanted = match &caller {
        Caller::Operator => Wanted { user: asked, ..Wanted::default() },
        Caller::Key(row) => match (row.key.user.as_ref().map(ToString::to_string), asked) {
            (Some(own), asked) if asked.as_ref().is_none_or(|asked| *asked == own) => {
                Wanted { user: Some(own), ..Wanted::default() }
            }
            (None, None) => Wanted { key: Some(row.key.id), ..Wanted::default() },
            _ => return Err(forbidden("user_id")),
        },
    };
    let entity = |user: &str, _: &RealmId| user.to_owned();
    answer(&app, &query, &wanted, entity).await
}

/// The use of teams that the caller manages: of all for the operator who names none.
pub(super) async fn of_team(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/team/daily/activity").await?;
    let query = Query::read(&uri)?;
    let named = names(&query, "team_ids");
    let snapshot = app.pipeline.views.control.snapshot();
    let manages = |id: &String| RealmId::new(id).is_ok_and(|realm| caller.manages(&snapshot.control, &realm));
    match &named {
        Some(ids) if ids.iter().all(manages) => {}
        None if matches!(caller, Caller::Operator) => {}
        _ => return Err(forbidden("team_ids")),
    }
    let entity = |_: &str, realm: &RealmId| realm.to_string();
    answer(&app, &query, &Wanted { realms: named, ..Wanted::default() }, entity).await
}

/// Sums the rows up under the entity that a user and a realm make.
async fn answer(
    app: &App,
    query: &Query,
    wanted: &Wanted,
    entity: impl Fn(&str, &RealmId) -> String,
) -> Result<Json<Value>, ApiError> {
    let asked = Asked::read(app, query, wanted.key)?;
    spent::catch_up(app).await;
    let (mut keys, mut by_day) = (Keys::new(app), ByDay::default());
    let snapshot = app.pipeline.views.control.snapshot();
    let of_realm = |realm: &RealmId| wanted.realms.as_ref().is_none_or(|realms| realms.contains(realm.as_str()));
    for (realm, _) in snapshot.control.realms.iter().filter(|(realm, _)| of_realm(realm)) {
        for Spent { of, totals } in in_detail(app, realm, asked.days)? {
            let user = keys.get(of.key)?.and_then(|key| key.user.as_ref()).map_or("", |user| user.as_str());
            if asked.has(&of) && wanted.user.as_deref().is_none_or(|wanted| user == wanted) {
                by_day.add(&entity(user, realm), &of, &totals);
            }
        }
    }
    by_day.shown(app, &asked).map(Json)
}
