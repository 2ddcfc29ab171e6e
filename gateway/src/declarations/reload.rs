//! Reading the file again: when it changes, and when the process is told to (SIGHUP). One that cannot be in force leaves the
//! last one that was.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::apply::{self, NotApplied};
use super::load::Loaded;
use crate::http::App;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What shows that a file may have changed, without reading it.
type Look = Option<(SystemTime, u64)>;

/// Looks after the file until the gateway stops.
///
/// Cancellation: a change that was begun may still be carried out.
pub(super) async fn watch(app: App, mut loaded: Loaded, mut stop: watch::Receiver<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup()).ok();
    let mut seen = look(&loaded);
    // A change that could not be made yet is tried again without another one of the file.
    let mut is_pending = false;
    loop {
        let hangup = async {
            match &mut hangups {
                Some(hangups) => hangups.recv().await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        let is_told = tokio::select! {
            () = hangup => true,
            () = tokio::time::sleep(LOOK) => false,
            _ = stop.changed() => return,
        };
        let now = look(&loaded);
        if !is_told && !is_pending && now == seen {
            continue;
        }
        seen = now;
        is_pending = reload(&app, &mut loaded, is_told || is_pending).await;
    }
}

/// Reads the file and makes it so. Whether it is to be tried again.
async fn reload(app: &App, loaded: &mut Loaded, is_told: bool) -> bool {
    let fresh = match loaded.again() {
        Ok(fresh) => fresh,
        Err(not_loaded) => {
            refuse(app, loaded, not_loaded.problems);
            return false;
        }
    };
    let is_refused = app.declarations.state() == Some("refused");
    if fresh.digest == loaded.digest && !is_told && !is_refused {
        return false;
    }
    match apply::apply(app, &fresh).await {
        Ok(()) => {
            for finding in &fresh.file.findings {
                tracing::warn!(file = fresh.name, "{finding}");
            }
            tell_of_restart(loaded, &fresh);
            // What takes a restart stays as it was read at the start.
            *loaded = fresh;
            false
        }
        Err(NotApplied::Wrong(problems)) => {
            refuse(app, loaded, problems);
            false
        }
        Err(NotApplied::Later(why)) => {
            refuse(app, loaded, vec![why]);
            true
        }
    }
}

fn refuse(app: &App, loaded: &Loaded, problems: Vec<String>) {
    for problem in &problems {
        tracing::error!(file = loaded.name, "the file is not in force, and what was before stays: {problem}");
    }
    app.declarations.refuse(problems);
}

/// Settings of the process itself are read at its start alone.
fn tell_of_restart(was: &Loaded, is: &Loaded) {
    let (was, is) = (&was.file.settings, &is.file.settings);
    for (key, same) in [
        ("general_settings.master_key", was.master_key == is.master_key),
        ("general_settings.max_request_size_mb", was.body_max_bytes == is.body_max_bytes),
        ("general_settings.user_header_name", was.end_user_headers == is.end_user_headers),
        ("litellm_settings.budget_exceeded_status_code", was.budget_exceeded_status == is.budget_exceeded_status),
        ("litellm_settings.request_timeout", was.request_timeout_ms == is.request_timeout_ms),
        ("environment_variables", was.environment == is.environment),
    ] {
        if !same {
            tracing::warn!("`{key}` has changed in the configuration file: it takes a restart to be in force");
        }
    }
}

fn look(loaded: &Loaded) -> Look {
    let metadata = std::fs::metadata(&loaded.path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
