//! The mirror: an existing LiteLLM proxy that is kept in step with the control log, for those who move over step by step.
//!
//! Off unless the gateway is told of a proxy. One task follows the log, notes which objects its events are about, and makes
//! each of them on the proxy what it is here now: what is there is read first, so that an event twice, or a crash between a
//! call and its checkpoint, does no harm. Nothing waits for it, and no request knows of it.
//!
//! Nothing may be allowed more there than here. What has a rule that LiteLLM has no field for is blocked there, or not made, and
//! told with the reason ([`Status`]).

mod target;
mod intake;
mod checkpoint;
mod outcome;
mod hand;
mod teams;
mod users;
mod keys;
mod deployments;
mod follower;
pub(crate) mod status;

use std::path::PathBuf;
use std::sync::Arc;

use tallygate_adapters::litellm::mirror::proxy::{NoProxy, Proxy};
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::secret::Secret;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::App;
use follower::Follower;
use status::Status;

/// Which proxy, and the key that it is asked under.
#[derive(Debug, Clone)]
pub(crate) struct MirrorSettings {
    /// Where it is.
    pub(crate) url: BaseUrl,
    /// Its master key.
    pub(crate) master_key: Secret,
}

/// What the mirror reads and keeps.
pub(crate) struct Ground {
    /// The control log.
    pub(crate) log: Arc<dyn EventLog>,
    /// The key that its lines are authenticated under.
    pub(crate) mac: MacKey,
    /// Where the checkpoint is kept.
    pub(crate) checkpoint: PathBuf,
    /// What may be called.
    pub(crate) network: NetworkPolicy,
}

/// Begins to follow, if a proxy was named. Whether the proxy answers is found out by the task.
///
/// # Errors
/// [`NoProxy`]: the proxy may not be called at all.
pub(crate) fn begin(
    app: &App,
    settings: Option<MirrorSettings>,
    ground: Ground,
    tasks: &mut JoinSet<()>,
    stop: watch::Receiver<bool>,
) -> Result<(), NoProxy> {
    let (Some(settings), Some(status)) = (settings, &app.mirror) else { return Ok(()) };
    let proxy = Proxy::new(&settings.url, settings.master_key, &ground.network)?;
    tasks.spawn(Follower::new(app.clone(), proxy, ground, Arc::clone(status)).run(stop));
    Ok(())
}

/// What is told of the mirror; none where no proxy was named.
///
/// # Errors
/// When a metric has the name of another: a defect.
pub(crate) fn status(
    settings: Option<&MirrorSettings>,
    registry: &prometheus::Registry,
) -> Result<Option<Arc<Status>>, prometheus::Error> {
    let made = settings.map(|settings| Status::new(settings.url.clone(), registry)).transpose()?;
    Ok(made.map(Arc::new))
}
