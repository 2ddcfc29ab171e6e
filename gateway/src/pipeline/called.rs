//! Phase 5: the request is with its upstream. Nothing is sent to the client before the first real piece of the answer,
//! so that a failing upstream gets an honest status.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use tallygate_adapters::dialect::passage::Passage;
use tallygate_adapters::dialect::problems;
use tallygate_core::conversation::Cause;
use tallygate_core::port::provider::failure::{Fault, Kind};
use tallygate_core::port::provider::{Answer, AnswerForm, Body, Call, Failure, Header, Upstream};
use tallygate_core::secret::Secret;

use super::Pipeline;
use super::admitted::Admitted;
use super::ended::End;
use super::settled::Settling;
use super::stream_body::{Pieces, StreamBody};
use super::{unabandoned, wishes};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::response_headers;

impl Admitted {
    /// Sends the request to an upstream, and to others if that fails, and makes the client's response of the answer.
    ///
    /// Cancellation: a buffered call, and a stream that budgets pay for, go on without their client and are settled by
    /// what they used. Any other stream is cut, and settled by what went through.
    ///
    /// # Errors
    /// The answer for the client. Holds and the share are closed.
    pub(crate) async fn call(self: Box<Self>, pipeline: &Arc<Pipeline>) -> Result<Response, ApiError> {
        let attempt = self.first(pipeline).await?;
        let settling = Settling::new(Arc::clone(pipeline), self, attempt);
        if settling.streams() && !settling.is_read_on() {
            // Boxed, so that the handler's future stays small: it is moved several times before it runs.
            return Box::pin(run(settling)).await;
        }
        let (clientless, has_left) = (settling.clientless(), settling.has_left.clone());
        // A client that goes away must not leave an unknown bill behind.
        let ended = unabandoned::run(&clientless, has_left, run(settling)).await;
        ended.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
    }
}

/// Attempt after attempt, until one is answered or nothing is left to try.
async fn run(mut settling: Box<Settling>) -> Result<Response, ApiError> {
    loop {
        let answered = if settling.streams() { stream(settling).await } else { buffered(settling).await };
        match answered {
            Ok(response) => return Ok(response),
            // Boxed, so that the requests that do not fail stay small.
            Err(unanswered) => {
                let (failed, failure) = *unanswered;
                settling = Box::pin(failed.again(failure)).await?;
            }
        }
    }
}

/// An attempt that failed before the client got anything.
type Unanswered = Box<(Box<Settling>, Failure)>;

async fn buffered(mut settling: Box<Settling>) -> Result<Response, Unanswered> {
    let (upstream, call) = settling.call(false);
    let answer = match upstream.call(call).await {
        Ok(answer) => answer,
        Err(failure) => return Err(settling.told(failure)),
    };
    settling.first_byte();
    let Body::Whole(bytes) = answer.body else {
        return Err(Box::new((settling, Failure::new(Kind::Protocol))));
    };
    let read = match settling.exchange().answer(&settling.told_of(), answer.status, &bytes) {
        Ok(read) => read,
        Err(failure) => return Err(Box::new((settling, failure))),
    };
    let outbox = settling.outbox();
    let content_type = settling.exchange().answer_type(answer.head.content_type);
    let summary = settling.settle(End::answered(answer.status, read.metered, read.id));
    let mut response = Response::new(HttpBody::from(read.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = response_headers::of(&content_type, None, &summary);
    drop(summary);
    outbox.written_down().await;
    Ok(response)
}

async fn stream(mut settling: Box<Settling>) -> Result<Response, Unanswered> {
    let (upstream, call) = settling.call(true);
    let answer = match upstream.call(call).await {
        Ok(answer) => answer,
        Err(failure) => return Err(settling.told(failure)),
    };
    let Answer { status, body: Body::Pieces(mut pieces), head } = answer else {
        return Err(Box::new((settling, Failure::new(Kind::Protocol))));
    };
    let Some(mut passage) = settling.exchange().passage(&settling.told_of(), head.content_type.as_deref()) else {
        return Err(Box::new((settling, Failure::new(Kind::Protocol))));
    };
    let (first, end) = match first_piece(&mut pieces, passage.as_mut()).await {
        Ok(first) => first,
        Err(failure) => {
            settling.metered(passage.metered());
            return Err(Box::new((settling, failure)));
        }
    };
    settling.first_byte();
    let summary = settling.summary();
    let content_type = settling.exchange().stream_type(head.content_type);
    let body = StreamBody::new(pieces, passage, settling, first, end);
    let mut response = Response::new(HttpBody::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = response_headers::of(&content_type, Some("no-cache"), &summary);
    Ok(response)
}

impl Settling {
    /// What is sent to the attempt's upstream.
    fn call(&mut self, streams: bool) -> (Arc<dyn Upstream>, Call) {
        let limit_bytes = self.pipeline.settings.answer_max_bytes;
        let answer = match streams {
            true if self.exchange().is_of_any_type() => AnswerForm::StreamedOfAnyType,
            true => AnswerForm::Streamed,
            false => AnswerForm::Buffered { limit_bytes },
        };
        let timeouts = wishes::timeouts(&self.admitted.request, self.attempt.target.waits.of(streams));
        let (headers, attempt) = (self.headers(), &mut self.attempt);
        let (path, body) = (attempt.outgoing.path.clone(), Some(std::mem::take(&mut attempt.outgoing.body)));
        let content_type = attempt.outgoing.content_type.take();
        (Arc::clone(&attempt.target.upstream), Call { path, body, content_type, headers, answer, timeouts })
    }

    /// The client's headers where they hold for the upstream too, and the vendor's that the client did not send.
    fn headers(&self) -> Vec<Header> {
        let is_through = self.exchange().is_through();
        let mut headers = if is_through { self.admitted.received.forwarded.clone() } else { Vec::new() };
        let own = self.attempt.target.headers.iter();
        let own: Vec<Header> = own.filter(|own| headers.iter().all(|told| told.name != own.name)).cloned().collect();
        headers.extend(own);
        headers
    }

    /// The attempt, and what its upstream's refusal says in its dialect.
    fn told(self: Box<Self>, failure: Failure) -> Unanswered {
        let failure = self.exchange().failure(failure);
        Box::new((self, failure))
    }
}

/// Reads until something of the answer can be handed to the client, or the stream has ended.
async fn first_piece(
    pieces: &mut Pieces,
    passage: &mut dyn Passage,
) -> Result<(Bytes, Option<Result<(), Failure>>), Failure> {
    loop {
        let step = match pieces.next().await {
            Some(Ok(piece)) => passage.push(piece),
            Some(Err(failure)) => return Err(failure),
            None => passage.finish(),
        };
        match step.end {
            Some(Err(failure)) if passage.events() == 0 => return Err(failure),
            end if !step.forward.is_empty() || end.is_some() => return Ok((step.forward, end)),
            _ => {}
        }
    }
}

/// What the client is told of a failed call: the upstream's own words where it gave any, cut to a length, else the
/// gateway's. The key that the upstream was called with (`secret`) is hidden in them.
pub(crate) fn answer_to(failure: &Failure, model: &str, secret: Option<&Secret>) -> ApiError {
    let code = match (failure.kind, failure.fault()) {
        (Kind::FirstByteTimeout | Kind::IdleTimeout | Kind::TotalTimeout | Kind::ConnectTimeout, _) => {
            ErrorCode::UpstreamTimeout
        }
        (_, Fault::Gateway) => ErrorCode::UpstreamRefused,
        (_, Fault::Client | Fault::Upstream) => ErrorCode::UpstreamFailed,
    };
    let said = failure.said.as_deref();
    let status = said.map_or_else(|| code.status(), |said| if said.status >= 400 { said.status } else { 502 });
    let message = said.and_then(|said| problems::message(&said.body)).map_or_else(
        || format!("the upstream of `{model}` failed: {failure}"),
        |words| {
            let words = secret.map_or_else(|| words.clone(), |secret| secret.hide_in(&words));
            format!("upstream of `{model}`: {words}")
        },
    );
    let cause = Cause::of_failure(failure.kind);
    let error = ApiError::new(code, message).cause(cause).status(status).kind(match status {
        429 => "throttling_error",
        _ => ApiError::coded("", status, "").kind,
    });
    match failure.retry_after {
        Some(after) => error.retry_after(after),
        None => error,
    }
}
