//! A call's place at its deployment: taken when the call begins, and given back once, whatever becomes of it.

use std::sync::Arc;

use tallygate_core::port::clock::Clock;
use tallygate_core::registry::Model;
use tallygate_core::routing::{Begun, Ended, How, Steady, Terms};

use super::Pipeline;
use super::routed::routing;
use crate::upstreams::Target;

/// See the module. Dropped before its end, it says nothing of the deployment.
pub(crate) struct Running {
    target: Arc<Target>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    begun: Option<Begun>,
}

impl Running {
    pub(super) fn begin(target: &Arc<Target>, pipeline: &Pipeline, model: &Model) -> Self {
        let clock = Arc::clone(&pipeline.clock);
        let begun = target.health().began(Steady::from_millis(clock.steady_ms()));
        let terms = Terms { cooldown: routing(pipeline, model).cooldown, alone: model.deployments.len() < 2 };
        Self { target: Arc::clone(target), clock, terms, begun: Some(begun) }
    }

    /// The answer has begun.
    pub(super) fn answered(&self) {
        if let Some(begun) = &self.begun {
            self.target.health().answered(self.now(), begun);
        }
    }

    /// The call has ended, with so many tokens.
    pub(super) fn end(mut self, how: How, tokens: u64) {
        self.close(how, tokens);
    }

    fn close(&mut self, how: How, tokens: u64) {
        let Some(begun) = self.begun.take() else { return };
        self.target.health().ended(self.now(), begun, &Ended { tokens, how }, &self.terms);
    }

    fn now(&self) -> Steady {
        Steady::from_millis(self.clock.steady_ms())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close(How::Abandoned, 0);
    }
}
