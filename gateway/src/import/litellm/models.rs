//! Deployments of the database, with their parameters opened, and of a file: each by `/model/new`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_adapters::litellm::sealed::{NotOpened, Opener};
use tallygate_core::secret::Secret;

use super::report::{Kind, Report};
use super::rows;
use crate::import::ImportError;
use crate::operator_client::{Client, ClientError};

/// The bodies of `/model/new`, with the names of their models.
pub(super) async fn bodies(
    database: &Database,
    salt_key: &Secret,
    report: &mut Report,
) -> Result<Vec<(String, String)>, ImportError> {
    let opener = Opener::new(salt_key);
    let mut bodies = Vec::new();
    for row in database.rows(Table::Models).await? {
        let name = rows::text(&row, "model_name");
        if row.get("blocked") == Some(&Value::Bool(true)) {
            report.left(Kind::Model, name, "it is blocked");
            continue;
        }
        match body(&row, &opener) {
            Ok((name, body)) => bodies.push((name, body)),
            Err(NotOpened) => report.left(Kind::Model, name, "its parameters do not open with this salt key"),
        }
    }
    Ok(bodies)
}

/// The names that callers use, by the ids of deployments.
pub(super) async fn names(database: &Database) -> Result<BTreeMap<String, String>, ImportError> {
    let name = |row: &Value| {
        let public = object(row, "model_info").get("team_public_model_name").and_then(Value::as_str).map(str::to_owned);
        public.unwrap_or_else(|| rows::text(row, "model_name").to_owned())
    };
    let rows = database.rows(Table::Models).await?;
    Ok(rows.iter().map(|row| (rows::text(row, Table::Models.key()).to_owned(), name(row))).collect())
}

/// The names that callers use, by those that LiteLLM made for models of teams.
pub(super) async fn public_names(database: &Database) -> Result<BTreeMap<String, String>, ImportError> {
    let public = |row: &Value| {
        let info = object(row, "model_info");
        let name = info.get("team_public_model_name").and_then(Value::as_str)?;
        Some((rows::text(row, "model_name").to_owned(), name.to_owned()))
    };
    Ok(database.rows(Table::Models).await?.iter().filter_map(public).collect())
}

fn body(row: &Value, opener: &Opener) -> Result<(String, String), NotOpened> {
    let mut info = object(row, "model_info");
    let params = opened(object(row, "litellm_params"), opener)?;
    // A model of a team has a name that LiteLLM made, and beside it the one that callers use.
    let name = info.remove("team_public_model_name").and_then(|name| name.as_str().map(str::to_owned));
    let name = name.unwrap_or_else(|| rows::text(row, "model_name").to_owned());
    info.insert("id".to_owned(), json!(rows::text(row, Table::Models.key())));
    let body = json!({ "model_name": name, "litellm_params": params, "model_info": info });
    Ok((name, body.to_string()))
}

/// An object of a row. Old versions kept it as text.
fn object(row: &Value, name: &str) -> Map<String, Value> {
    match row.get(name) {
        Some(Value::Object(fields)) => fields.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Map::new(),
    }
}

/// Parameters with their texts opened: LiteLLM seals every text, and nothing else.
fn opened(params: Map<String, Value>, opener: &Opener) -> Result<Map<String, Value>, NotOpened> {
    let open = |(name, value): (String, Value)| match value {
        Value::String(text) if !text.is_empty() => Ok((name, Value::String(opener.open(&text)?))),
        value => Ok((name, value)),
    };
    params.into_iter().map(open).collect()
}

/// Registers them. One that is there to the letter is not added again.
pub(super) async fn register(
    client: &Client,
    bodies: Vec<(String, String)>,
    report: &mut Report,
) -> Result<(), ImportError> {
    for (name, body) in bodies {
        let body: Value = serde_json::from_str(&body).map_err(ClientError::from)?;
        match client.post::<Value>("/model/new", &body).await {
            Ok(_) => report.carried(Kind::Model, &name),
            Err(error) if error.status() == Some(409) => report.there(Kind::Model),
            Err(error) if error.status().is_some_and(|status| status < 500) => {
                report.refuse(Kind::Model, &name, &error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
