//! `/api/models/{id}/realms`: which realms may use a model.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_core::actor::Actor;
use tallygate_core::command::Command;
use tallygate_core::grant::{GrantModel, WithdrawGrant};
use tallygate_core::id::RealmId;
use tallygate_core::model_pattern::ModelPattern;
use tallygate_core::registry::Model;
use tallygate_core::stream::Position;

use super::{answered, asked, find, grant_budget, realm_key, shown};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::change::carry_out;
use crate::http::operator;
use crate::random;

/// How often a grant is decided anew because another gave the realm its key first.
const ATTEMPTS_MAX: usize = 3;

/// A grant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    #[serde(alias = "workspaceId")]
    realm_id: String,
    monthly_budget_usd: Option<Box<RawValue>>,
}

/// The realms that may call the model now.
pub(super) async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/models/{model}/realms").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let model = find::model(control, &id)?;
    let realms = control.realms.iter().filter(|(id, _)| shown::may_call(control, id, model));
    let realms: Vec<Value> = realms
        .map(|(id, realm)| {
            let budget = shown::monthly_of(control, id, &model.name);
            json!({ "realmId": id, "realmName": shown::name_of(realm), "monthlyBudgetUsd": budget })
        })
        .collect();
    Ok(Json(json!({ "realms": realms })))
}

/// Grants the model to a realm. The first model of a realm brings it its virtual key, in the same step.
pub(super) async fn grant(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/models/{model}/realms").await?;
    let asked: Asked = asked::read(&app, &headers, body).await?;
    let mut attempt = 1;
    loop {
        let snapshot = app.pipeline.views.control.snapshot();
        let model = find::model(&snapshot.control, &id)?;
        let realm = find::realm(&snapshot.control, &asked.realm_id)?.id.clone();
        let now = app.pipeline.clock.now();
        let budget =
            grant_budget::set(&snapshot.control, (&realm, &model.name), asked.monthly_budget_usd.as_deref(), now)?;
        let beside: Vec<Command> = budget.into_iter().map(Command::from).collect();
        match give(&app, &actor, model, &realm, beside).await {
            Ok((position, issued)) => return Ok(granted(&app, position, model, &realm, issued)),
            Err(error) if error.code == "key_alias_taken" && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Carries a grant out, and tells whether the realm got its key with it. A grant that there is already is refused, unless
/// the realm has no key yet, or its budget is to change.
async fn give(
    app: &App,
    actor: &Actor,
    model: &Model,
    realm: &RealmId,
    mut beside: Vec<Command>,
) -> Result<(Position, bool), ApiError> {
    let pattern = ModelPattern::exactly(model.name.clone());
    if pattern.is_wildcard() {
        let message =
            "the model's name holds a wildcard: granting it would grant others too. Use the command GrantModel";
        return Err(asked::refused("modelId", message));
    }
    let issued = realm_key::find(app, realm)?.is_none();
    if issued {
        // Nobody is told this secret: whoever wants one asks for another.
        beside.push(realm_key::issue(app, realm, &random::key())?);
    }
    let grant: Command = GrantModel { realm: realm.clone(), model: pattern }.into();
    let whole = std::iter::once(grant).chain(beside.iter().cloned()).collect();
    match carry_out(app, actor.clone(), whole).await {
        Ok(position) => Ok((position, issued)),
        Err(refused) if refused.code == "model_already_granted" && !beside.is_empty() => {
            Ok((carry_out(app, actor.clone(), beside).await?, issued))
        }
        Err(refused) => Err(refused.into()),
    }
}

fn granted(app: &App, position: Position, model: &Model, realm: &RealmId, issued: bool) -> Response {
    let snapshot = app.pipeline.views.control.snapshot();
    answered::changed(
        position,
        json!({
            "modelId": model.id,
            "litellmModelName": model.name,
            "realmId": realm,
            "hasVirtualKey": true,
            "virtualKeyIssued": issued,
            "monthlyBudgetUsd": shown::monthly_of(&snapshot.control, realm, &model.name),
        }),
    )
}

/// Takes the grant back. A realm whose last grant is taken back may call nothing; its key stays, and can do nothing.
pub(super) async fn withdraw(
    State(app): State<App>,
    Path((id, realm)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/models/{model}/realms/{realm}").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id)?;
    let realm = find::realm(&snapshot.control, &realm)?.id.clone();
    let withdraw = WithdrawGrant { realm: realm.clone(), model: ModelPattern::exactly(model.name.clone()) };
    let position = app.commands.issue(actor, withdraw).await?.position;
    Ok(answered::changed(position, json!({ "modelId": model.id, "realmId": realm })))
}
