//! The keys of users. There is no index of them: all keys are looked through, some microseconds each.

use std::collections::HashMap;

use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::id::UserId;
use tallygate_core::key::RevokeKey;
use tallygate_projections::{KeyRow, PAGE_ROWS_MAX, Page};

use super::find;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The keys of some users that are not revoked, newest first, by user.
///
/// # Errors
/// 503 if they cannot be read.
pub(in crate::http::litellm) async fn of_users(
    app: &App,
    users: Vec<UserId>,
) -> Result<HashMap<UserId, Vec<KeyRow>>, ApiError> {
    let view = app.pipeline.views.control.clone();
    // The rows are on disk.
    let read = tokio::task::spawn_blocking(move || {
        let mut found: HashMap<UserId, Vec<KeyRow>> = users.into_iter().map(|user| (user, Vec::new())).collect();
        let mut skip = 0;
        loop {
            let rows = view.keys_of_all_realms_for_operator(Page { skip, rows: PAGE_ROWS_MAX })?.keys;
            let is_last = rows.len() < PAGE_ROWS_MAX;
            for row in rows {
                if let Some(keys) = row.key.user.as_ref().and_then(|user| found.get_mut(user)) {
                    keys.push(row);
                }
            }
            if is_last {
                return Ok(found);
            }
            skip += PAGE_ROWS_MAX;
        }
    });
    let read = read.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    read.map_err(|error| find::unreadable(&error))
}

/// The commands that revoke keys, as many together as there may be.
pub(in crate::http::litellm) fn revocations<'a>(keys: impl Iterator<Item = &'a KeyRow>) -> Vec<Vec<Command>> {
    let commands: Vec<Command> = keys.map(|row| RevokeKey { key: row.key.id }.into()).collect();
    commands.chunks(TOGETHER_MAX).map(<[Command]>::to_vec).collect()
}
