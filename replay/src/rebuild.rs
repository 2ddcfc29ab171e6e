//! `rebuild`: the views from zero, in a fresh folder, by the fold that gateways use; and their digest against the views
//! that a gateway left, or against one that was noted before.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use tallygate_core::digest::Digest;
use tallygate_core::stream::{Head, Position};
use tallygate_projections::{
    Positions, StateDigest, rebuild_activity, rebuild_control, stored_activity_digest, stored_control_digest,
};

use crate::cli::RebuildArgs;
use crate::report::Report;
use crate::source::Source;

/// What was made.
struct Made {
    control: (Head, StateDigest),
    activity: (Positions, StateDigest),
}

/// Makes the views and compares them.
///
/// # Errors
/// When a log cannot be read, or the folder is not empty.
pub(crate) async fn run(source: &Source, args: &RebuildArgs) -> anyhow::Result<Report> {
    let expected: Option<Digest> = args.expect.as_deref().map(str::parse).transpose()?;
    let temporary = tempfile::tempdir().context("no temporary folder can be made")?;
    let into = args.into.as_deref().unwrap_or_else(|| temporary.path());
    let mac = source.mac.as_ref();
    let control = rebuild_control(source.control.as_ref(), mac, into).await.context("the control log")?;
    let activity = rebuild_activity(source.activity.as_ref(), mac, into).await.context("the activity log")?;
    let made = Made { control, activity };
    let mut report = made.report();
    if let Some(expected) = expected
        && expected != made.control.1.digest
    {
        report.wrong = Some(format!("the digest of the control views is {}, not {expected}", made.control.1.digest));
    } else if let Some(views) = &source.views {
        made.compare(views, &mut report);
    }
    Ok(report)
}

impl Made {
    fn report(&self) -> Report {
        let ((head, control), (positions, activity)) = (&self.control, &self.activity);
        let text = vec![
            format!("control: position {}, {} rows, digest {}", head.position, control.rows, control.digest),
            format!("activity: {}, {} rows, digest {}", named(positions), activity.rows, activity.digest),
        ];
        let json = json!({
            "control": { "position": head.position, "rows": control.rows, "digest": control.digest },
            "activity": { "positions": shown(positions), "rows": activity.rows, "digest": activity.digest },
        });
        Report { text, json, wrong: None }
    }

    /// Compares with the views in a data folder, where a gateway left them at the same place.
    fn compare(&self, views: &Path, report: &mut Report) {
        let outcomes = [
            match stored_control_digest(views) {
                Ok((head, stored)) => Outcome::of(head == self.control.0, stored, self.control.1),
                Err(error) => Outcome::Unread(error.to_string()),
            },
            match stored_activity_digest(views) {
                Ok((positions, stored)) => Outcome::of(positions == self.activity.0, stored, self.activity.1),
                Err(error) => Outcome::Unread(error.to_string()),
            },
        ];
        for (log, outcome) in ["control", "activity"].into_iter().zip(outcomes) {
            report.json[log]["live"] = json!(outcome.name());
            match outcome {
                Outcome::Equal => report.text.push(format!("{log}: the live views are equal")),
                Outcome::Elsewhere => {
                    report.text.push(format!("{log}: the live views are at another place in the log: start the gateway once, stop it, and try again"));
                }
                Outcome::Unread(why) => report.text.push(format!("{log}: the live views were not compared: {why}")),
                Outcome::Other(stored) => {
                    report.wrong =
                        Some(format!("{log}: the live views have the digest {}, not that of the log", stored.digest));
                }
            }
        }
    }
}

/// How live views compare with those that were made.
enum Outcome {
    Equal,
    /// They are not where the log ends.
    Elsewhere,
    /// They are in use, or there are none.
    Unread(String),
    Other(StateDigest),
}

impl Outcome {
    fn of(is_same_place: bool, stored: StateDigest, made: StateDigest) -> Self {
        match (is_same_place, stored == made) {
            (false, _) => Self::Elsewhere,
            (true, true) => Self::Equal,
            (true, false) => Self::Other(stored),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Elsewhere => "elsewhere",
            Self::Unread(_) => "not_compared",
            Self::Other(_) => "different",
        }
    }
}

fn named(positions: &Positions) -> String {
    let each: Vec<String> = positions.iter().map(|(chain, position)| format!("{chain} at {position}")).collect();
    if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
}

fn shown(positions: &Positions) -> Value {
    positions.iter().map(|(chain, position): (_, &Position)| (chain.to_string(), json!(position))).collect()
}
