//! What a configuration file declares: read, made so by commands of an actor of its own, kept from being changed by others,
//! and read again when it changes.
//!
//! The log stays the truth. A file is only somebody who asks for changes, all or none at a time, and whose objects are told
//! by the actor that added them. No request knows of it.

mod load;
mod routing;
mod apply;
mod guard;
mod reload;
mod validate;

pub use load::NotLoaded;
pub(crate) use load::{Loaded, load};
pub use validate::InvalidFile;
pub(crate) use validate::run as validate;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use serde_json::{Value, json};
use tallygate_core::actor::Actor;
use tallygate_core::id::DeploymentId;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::compose::StartError;
use crate::http::App;

/// What this gateway's file declares, and how it stands. Shared by who decides commands and who tells of it.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    in_force: ArcSwap<InForce>,
    /// Why the file as it is now is not in force.
    refused: Mutex<Vec<String>>,
    is_refused: AtomicBool,
    metrics: Option<DeclarationMetrics>,
}

/// The file that is in force.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// The file as an actor; none where there is no file.
    file: Option<Actor>,
    /// Whether others may change what it declares.
    shares: bool,
    /// Where it declares each deployment, and whether with a price.
    deployments: BTreeMap<DeploymentId, Place>,
    /// Where it declares the gateway's budget.
    budget: Option<usize>,
    /// What of it has no effect.
    warnings: Vec<String>,
}

/// Where a deployment is declared.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    has_price: bool,
}

/// How loading a file goes.
#[derive(Debug)]
struct DeclarationMetrics {
    loads: IntCounterVec,
    refused: IntGauge,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Commands were carried out.
    Changed,
    /// All was so already.
    Unchanged,
    /// It is not in force.
    Refused,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl Declarations {
    /// None yet.
    ///
    /// # Errors
    /// When a metric has the name of another: a defect.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let loads = Opts::new("tallygate_configuration_loads_total", "Loads of the configuration file, by outcome.");
        let loads = IntCounterVec::new(loads, &["outcome"])?;
        let help = "Whether the configuration file as it is now was refused, and an earlier one is in force.";
        let refused = IntGauge::new("tallygate_configuration_refused", help)?;
        registry.register(Box::new(loads.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self { metrics: Some(DeclarationMetrics { loads, refused }), ..Self::default() })
    }

    /// How the file stands, in a word for everybody; none where there is no file.
    pub(crate) fn state(&self) -> Option<&'static str> {
        self.in_force.load().file.as_ref()?;
        Some(if self.is_refused.load(Ordering::Relaxed) { "refused" } else { "in_force" })
    }

    /// How the file stands, for the operator.
    pub(crate) fn told(&self) -> Value {
        let in_force = self.in_force.load();
        let Some(file) = &in_force.file else { return Value::Null };
        json!({
            "file": file.id,
            "state": self.state(),
            "deployments": in_force.deployments.len(),
            "store_model_in_db": in_force.shares,
            "warnings": in_force.warnings,
            "problems": *self.refused.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn count(&self, outcome: Outcome) {
        if let Some(metrics) = &self.metrics {
            metrics.loads.with_label_values(&[outcome.name()]).inc();
            metrics.refused.set(i64::from(outcome == Outcome::Refused));
        }
    }

    /// A file is in force.
    fn put(&self, in_force: InForce, outcome: Outcome) {
        self.in_force.store(Arc::new(in_force));
        self.refuse_nothing();
        self.count(outcome);
    }

    fn refuse_nothing(&self) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.is_refused.store(false, Ordering::Relaxed);
    }

    /// The file as it is now is not in force.
    fn refuse(&self, problems: Vec<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = problems;
        self.is_refused.store(true, Ordering::Relaxed);
        self.count(Outcome::Refused);
    }
}

/// Makes what the file declares so, before anything is served, and looks after the file from then on.
///
/// # Errors
/// [`StartError::Declarations`]: the file cannot be in force.
pub(crate) async fn begin(
    app: &App,
    loaded: Option<Loaded>,
    tasks: &mut JoinSet<()>,
    stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let Some(loaded) = loaded else { return Ok(()) };
    for finding in &loaded.file.findings {
        tracing::warn!(file = loaded.name, "{finding}");
    }
    apply::until_done(app, &loaded)
        .await
        .map_err(|problems| StartError::Declarations { file: loaded.name.clone(), problems: problems.join("\n  ") })?;
    tasks.spawn(reload::watch(app.clone(), loaded, stop));
    Ok(())
}
