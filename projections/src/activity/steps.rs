//! A route as rows have it: fields in an order that never changes, none left out. A line of a log names them instead.

use serde::{Deserialize, Serialize};
use tallygate_core::id::{DeploymentId, ModelName};
use tallygate_core::routing::{Attempt, End, Route};

/// The attempts of a request, in order; none for most.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Steps(Vec<Step>);

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    deployment: DeploymentId,
    model: ModelName,
    ended: End,
    status: Option<u16>,
    ms: u64,
}

impl From<&Route> for Steps {
    fn from(route: &Route) -> Self {
        let step = |attempt: &Attempt| {
            let Attempt { deployment, model, ended, status, ms } = attempt.clone();
            Step { deployment, model, ended, status, ms }
        };
        Self(route.attempts().iter().map(step).collect())
    }
}

impl From<Steps> for Route {
    fn from(steps: Steps) -> Self {
        let mut route = Self::default();
        for Step { deployment, model, ended, status, ms } in steps.0 {
            route.push(Attempt { deployment, model, ended, status, ms });
        }
        route
    }
}
