//! Making what a file declares so: one command that is carried out whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use tallygate_core::command::{Command, TOGETHER_MAX, Together};
use tallygate_core::control::Control;
use tallygate_core::id::ModelName;
use tallygate_core::routing::Routing;
use tallygate_core::scope::Scope;

use super::load::Loaded;
use super::{InForce, Outcome, Place, routing};
use crate::command::Refused;
use crate::http::App;
use crate::http::litellm::keys::declared_budget;
use crate::http::litellm::models::declared::{self, Declared, Wrong};

/// How often it is tried again, since another gateway does the same or the log is away.
const ATTEMPTS_MAX: usize = 5;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a file is not in force.
pub(super) enum NotApplied {
    /// It cannot be.
    Wrong(Vec<String>),
    /// It may be later.
    Later(String),
}

/// Tries until it is so, or cannot be.
///
/// # Errors
/// All that is wrong.
pub(super) async fn until_done(app: &App, loaded: &Loaded) -> Result<(), Vec<String>> {
    let mut attempt = 1;
    loop {
        match apply(app, loaded).await {
            Ok(()) => return Ok(()),
            Err(NotApplied::Wrong(problems)) => return Err(problems),
            Err(NotApplied::Later(why)) if attempt == ATTEMPTS_MAX => return Err(vec![why]),
            Err(NotApplied::Later(_)) => attempt += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes it so, once.
///
/// # Errors
/// [`NotApplied`]: nothing has changed then.
pub(super) async fn apply(app: &App, loaded: &Loaded) -> Result<(), NotApplied> {
    let declared = declared::read(&app.pipeline.upstreams, &loaded.file.models).map_err(wrong)?;
    let in_force = in_force(loaded, &declared);
    let snapshot = app.pipeline.views.control.snapshot();
    let commands = commands(app, &snapshot.control, loaded, &declared)?;
    if commands.is_empty() {
        app.declarations.put(in_force, Outcome::Unchanged);
        return Ok(());
    }
    if commands.len() > TOGETHER_MAX {
        let (asked, most) = (commands.len(), TOGETHER_MAX);
        return Err(NotApplied::Wrong(vec![format!(
            "it would take {asked} changes at once, and {most} can be made together: declare fewer deployments at first"
        )]));
    }
    match app.commands.issue(loaded.actor(), Together::new(commands)).await {
        Ok(receipt) => {
            tracing::info!(file = loaded.name, position = receipt.position.get(), "what the file declares is so");
            app.declarations.put(in_force, Outcome::Changed);
            Ok(())
        }
        Err(refused) if refused.code == "no_change" => {
            app.declarations.put(in_force, Outcome::Unchanged);
            Ok(())
        }
        Err(refused) => Err(not_applied(&refused)),
    }
}

fn in_force(loaded: &Loaded, declared: &[Declared]) -> InForce {
    let place = |one: &Declared| Place { line: one.line, has_price: one.has_price() };
    InForce {
        file: Some(loaded.actor()),
        shares: loaded.file.settings.store_model_in_db,
        deployments: declared.iter().map(|one| (one.id().clone(), place(one))).collect(),
        budget: loaded.file.settings.budget.as_ref().map(|(line, _)| *line),
        warnings: loaded.file.findings.iter().map(ToString::to_string).collect(),
    }
}

fn commands(app: &App, control: &Control, loaded: &Loaded, declared: &[Declared]) -> Result<Vec<Command>, NotApplied> {
    let settings = &loaded.file.settings;
    let routing = routing_of(app, loaded, declared)?;
    let ask = declared::Ask { file: &loaded.actor(), shares: settings.store_model_in_db, routing: &routing };
    let mut commands = declared::commands(app, control, declared, &ask).map_err(wrong)?;
    let budget = control.budgets.get(&Scope::Gateway);
    let is_anothers = budget.is_some_and(|budget| budget.trail.changed.by != loaded.actor());
    if settings.store_model_in_db && is_anothers {
        return Ok(commands);
    }
    let (line, fields) = settings.budget.as_ref().map_or((1, None), |(line, fields)| (*line, Some(fields.as_str())));
    let now = app.pipeline.clock.now();
    let command = declared_budget::command(fields, budget.map(AsRef::as_ref), &loaded.actor(), now);
    let command = command.map_err(|error| {
        let message = format!("line {line}: error: `litellm_settings.max_budget` {}", error.message);
        NotApplied::Wrong(vec![message])
    })?;
    commands.extend(command.map(Command::from));
    Ok(commands)
}

/// The routing of each model that is declared.
fn routing_of(
    app: &App,
    loaded: &Loaded,
    declared: &[Declared],
) -> Result<BTreeMap<ModelName, Option<Routing>>, NotApplied> {
    let said = &loaded.file.settings.routing;
    let base = &app.pipeline.settings.routing;
    let of = |one: &Declared| match routing::of(said, base, &one.name) {
        Ok(routing) => Ok((one.name.clone(), routing)),
        Err(why) => {
            let message = format!("line {}: error: routing of `{}`: {why}", said.line, one.name);
            Err(NotApplied::Wrong(vec![message]))
        }
    };
    declared.iter().map(of).collect()
}

/// What is wrong with entries, line by line.
pub(super) fn told(wrong: Vec<Wrong>) -> Vec<String> {
    let line = |Wrong { line, field, message }| match field {
        field if field.is_empty() => format!("line {line}: error: {message}"),
        field => format!("line {line}: error: `{field}`: {message}"),
    };
    wrong.into_iter().map(line).collect()
}

fn wrong(wrong: Vec<Wrong>) -> NotApplied {
    NotApplied::Wrong(told(wrong))
}

/// Another gateway that reads the same file may have been faster: what it did is seen at the next try.
fn not_applied(refused: &Refused) -> NotApplied {
    const OVERTAKEN: [&str; 6] = [
        "deployment_already_exists",
        "deployment_not_found",
        "model_already_registered",
        "model_not_registered",
        "credential_in_use",
        "credential_not_found",
    ];
    let said = format!("{} ({})", refused.message, refused.code);
    if refused.is_worth_a_retry() || OVERTAKEN.contains(&refused.code) {
        NotApplied::Later(said)
    } else {
        NotApplied::Wrong(vec![said])
    }
}
