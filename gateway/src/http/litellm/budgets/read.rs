//! `POST /budget/info`, `GET /budget/list` and `/budget/settings`: for those who manage all realms.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::user::Role;

use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::{self, Fields};
use crate::http::litellm::query::Query;
use crate::http::operator::{self, admins_only};

/// What can be set of a named budget: the field, its type, and what it is.
const SETTINGS: [(&str, &str, &str); 6] = [
    ("max_parallel_requests", "Integer", "Requests at the same time, of each holder."),
    ("tpm_limit", "Integer", "Tokens in a minute, of each holder."),
    ("rpm_limit", "Integer", "Requests in a minute, of each holder."),
    ("budget_duration", "String", "How long a window is. Without it there is one window, without end."),
    ("max_budget", "Float", "The most that each holder may spend in a window, in dollars."),
    ("soft_budget", "Float", "What is told once a holder has spent so much in a window, in dollars."),
];

/// The named budgets of some ids, as far as they are there.
pub(super) async fn info(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let manager = operator::manager(&app, &headers, uri.path()).await?;
    if manager.role > Role::Admin && !manager.role.reads_all() {
        return Err(admins_only(uri.path()));
    }
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let ids = fields.texts("budgets")?.into_value().ok_or_else(|| fields.missing("budgets"))?;
    if ids.is_empty() {
        let message = "Specify list of budget id's to query. Passed in=[]";
        let error = ApiError::new(ErrorCode::ParameterInvalid, message).param("budgets");
        return Err(error.framework_detail(json!({ "error": message })));
    }
    Ok(Json(rows(&app, |id| ids.iter().any(|wanted| wanted == id))))
}

/// All named budgets.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    authorize(&app, &headers, &uri).await?;
    Ok(Json(rows(&app, |_| true)))
}

/// What can be set of a named budget, and what it is now.
pub(super) async fn settings(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    authorize(&app, &headers, &uri).await?;
    let query = Query::read(&uri)?;
    let missing = || fields::located("query", &["budget_id"], "missing", "Field required", &Value::Null);
    let id = query.text("budget_id").ok_or_else(missing)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let named = snapshot.control.named_budgets.get(id).filter(|named| named.removed.is_none());
    let row = named.map_or_else(Map::new, |named| row::row(&app, named));
    let setting = |(name, kind, description): &(&str, &str, &str)| {
        json!({
            "field_name": name, "field_type": kind, "field_description": description, "field_value": row.get(*name),
            "stored_in_db": true, "field_default_value": null, "premium_field": false, "nested_fields": null,
        })
    };
    Ok(Json(SETTINGS.iter().map(setting).collect()))
}

async fn authorize(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    let caller = Caller::of_reader(app, headers, uri.path()).await?;
    let snapshot = app.pipeline.views.control.snapshot();
    if caller.manages_all(&snapshot.control) { Ok(()) } else { Err(admins_only(uri.path())) }
}

fn rows(app: &App, is_wanted: impl Fn(&str) -> bool) -> Value {
    let snapshot = app.pipeline.views.control.snapshot();
    let all = snapshot.control.named_budgets.iter().map(|(_, named)| named);
    let wanted = all.filter(|named| named.removed.is_none() && is_wanted(named.budget.as_str()));
    wanted.map(|named| Value::Object(row::row(app, named))).collect()
}
