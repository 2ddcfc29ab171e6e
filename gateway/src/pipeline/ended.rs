//! How a request ended, and what is told of it.

use tallygate_adapters::dialect::metering::Metered;
use tallygate_core::activity::Outcome;
use tallygate_core::id::{DeploymentId, ModelName, RequestId};
use tallygate_core::money::NanoUsd;
use tallygate_core::price::Unpriced;
use tallygate_core::routing::{Attempts, Route};

use crate::limits::Left;

/// How a request ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) metered: Metered,
    pub(super) provider_request: Option<String>,
    /// Whether the provider bills the call, so that it costs a fee where its price has one.
    pub(super) is_billed: bool,
}

impl End {
    /// A whole answer.
    pub(super) const fn answered(status: u16, metered: Metered, provider_request: Option<String>) -> Self {
        Self { outcome: Outcome::Succeeded, status, metered, provider_request, is_billed: true }
    }

    /// A stream.
    pub(super) const fn streamed(outcome: Outcome, metered: Metered) -> Self {
        Self { outcome, status: 200, metered, provider_request: None, is_billed: true }
    }
}

/// What response headers tell of a request.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) request: RequestId,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) model: ModelName,
    pub(crate) position: u64,
    /// None while it is not known, and where the deployment has no price.
    pub(crate) cost: Option<NanoUsd>,
    /// Why there will be no cost.
    pub(crate) unpriced: Option<Unpriced>,
    pub(crate) duration_ms: u64,
    pub(crate) output_limit: Option<u64>,
    /// Parameters that were left out, with commas between.
    pub(crate) dropped: String,
    pub(crate) route: Route,
    /// Attempts on the same model beside the first.
    pub(crate) retries: usize,
    /// Models beside the first.
    pub(crate) hops: usize,
    pub(crate) left: Vec<Left>,
}

/// The failed attempts of a request.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What is decided about the next one; none before the first failure.
    pub(super) attempts: Option<Box<Attempts>>,
    pub(super) route: Route,
    pub(super) retries: usize,
    pub(super) hops: usize,
    /// Whether the last attempt is settled, or free.
    pub(super) is_settled: bool,
    /// When the last attempt ended, in milliseconds of the request.
    pub(super) until_ms: u64,
}

impl Before {
    /// Another attempt begins.
    pub(super) const fn again(&mut self) {
        self.is_settled = false;
    }
}
