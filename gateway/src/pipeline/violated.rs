//! A request that cost more than it held: told in activity and by a metric, and its model is distrusted until an operator
//! has looked at its price.

use std::sync::Arc;
use std::time::Duration;

use tallygate_core::activity::{BoundViolated, Event};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::money::NanoUsd;
use tallygate_core::registry::{Deployment, DistrustModel, Model};
use tokio::runtime::Handle;

use super::Pipeline;
use super::admitted::Admitted;
use crate::activity::Happened;

/// How long to wait before the control log is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What was thought possible, and what was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    pub(super) held: NanoUsd,
    pub(super) cost: NanoUsd,
}

/// Reports a bound that did not hold. Its settlement is recorded already, as it is.
pub(super) fn report(
    pipeline: &Arc<Pipeline>,
    (admitted, model): (&Admitted, &Model),
    deployment: &Deployment,
    amounts: Amounts,
) {
    let Admitted { received, caller, .. } = admitted;
    let Amounts { held: held_nano_usd, cost: cost_nano_usd } = amounts;
    tracing::error!(
        request = %received.id, model = %model.name, %held_nano_usd, %cost_nano_usd,
        "a request cost more than was held for it: a price is wrong, or the bound of its tokens"
    );
    pipeline.metrics.bound_violations.inc();
    let violated = BoundViolated {
        request: received.id,
        key: caller.key.id,
        model: model.name.clone(),
        deployment: deployment.id.clone(),
        price: deployment.price.as_ref().map(|in_force| in_force.position),
        held_nano_usd,
        cost_nano_usd,
    };
    pipeline.activity.record(Happened {
        realm: Some(caller.key.realm.clone()),
        actor: Actor { kind: ActorKind::Key, id: caller.key.id.to_string() },
        cause: violated.price.into_iter().collect(),
        event: Event::BoundViolated(violated),
    });
    let command = DistrustModel { model: model.id, request: received.id, held_nano_usd, cost_nano_usd };
    distrust(pipeline, command);
}

/// Asks the control log to distrust the model, for as long as it takes: a command that finds it so already changes nothing.
fn distrust(pipeline: &Arc<Pipeline>, command: DistrustModel) {
    let is_distrusted = move |pipeline: &Pipeline| {
        let snapshot = pipeline.views.control.snapshot();
        snapshot.control.models.get(&command.model).is_none_or(|model| model.distrusted.is_some())
    };
    // Outside of the runtime nothing runs any more.
    let (Ok(runtime), false) = (Handle::try_current(), is_distrusted(pipeline)) else { return };
    let pipeline = Arc::downgrade(pipeline);
    runtime.spawn(async move {
        while let Some(pipeline) = pipeline.upgrade().filter(|pipeline| !is_distrusted(pipeline)) {
            let actor = Actor::gateway(pipeline.activity.writer().as_str());
            if pipeline.commands.issue(actor, command).await.is_ok() {
                return;
            }
            drop(pipeline);
            tokio::time::sleep(RETRY_AFTER).await;
        }
    });
}
