//! One model of a comparison: its request, and what is heard of its answer.

use axum::response::Response;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::id::{ModelName, RequestId};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::heard::{Heard, Hearing};
use crate::pipeline::Pipeline;
use crate::pipeline::authenticated::Authenticated;
use crate::pipeline::report::Report;

/// A model that is to be asked.
pub(super) struct Entry {
    pub(super) about: About,
    caller: Authenticated,
    request: ClientRequest,
}

/// Which model of the comparison, and where it is told what its request comes to.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// Its place among the models, from 0.
    pub(super) index: usize,
    /// As it was asked for: a model or a slot.
    pub(super) model: ModelName,
    pub(super) request: RequestId,
    pub(super) report: Report,
}

/// What happens with one model.
pub(super) enum Happens {
    /// Its answer goes on, or ends.
    Heard(Heard),
    /// It has no answer, and why.
    Refused(Box<ApiError>),
}

impl Entry {
    pub(super) fn new(pipeline: &Pipeline, caller: &Authenticated, index: usize, request: ClientRequest) -> Self {
        let report = Report::default();
        let caller = caller.another(pipeline, &report);
        let about = About { index, model: request.model().clone(), request: caller.received.id, report };
        Self { about, caller, request }
    }

    /// Asks, and tells what happens, to the end. Nothing is asked before it is polled.
    ///
    /// Cancellation: the request ends as one whose client leaves.
    pub(super) fn happenings(self, app: &App) -> BoxStream<'static, Happens> {
        let app = app.clone();
        let answered = async move { call(&app.pipeline, self.caller, self.request).await };
        let heard = |answered: Result<Response, ApiError>| match answered {
            Ok(response) => {
                let hearing = Hearing::new(response.into_body());
                stream::unfold(hearing, async |mut hearing| Some((Happens::Heard(hearing.next().await?), hearing)))
                    .boxed()
            }
            Err(error) => stream::iter([Happens::Refused(Box::new(error))]).boxed(),
        };
        answered.into_stream().flat_map(heard).boxed()
    }
}

async fn call(
    pipeline: &std::sync::Arc<Pipeline>,
    caller: Authenticated,
    request: ClientRequest,
) -> Result<Response, ApiError> {
    caller.resolve(pipeline, request)?.admit(pipeline)?.call(pipeline).await
}
