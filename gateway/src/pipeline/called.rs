//! Phase 5: the request is with its upstream. Nothing is sent to the client before the first real piece of the answer,
//! so that a failing upstream gets an honest status.

use std::future::ready;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::Either;
use futures_util::{FutureExt as _, StreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tallygate_adapters::dialect::openai_chat::answer;
use tallygate_adapters::dialect::openai_chat::stream::Tap;
use tallygate_core::port::provider::failure::{Fault, Kind};
use tallygate_core::port::provider::{Answer, AnswerForm, Body, Call, Failure, Upstream};
use tallygate_core::secret::Secret;

use super::Pipeline;
use super::admitted::Admitted;
use super::refusal;
use super::settled::{End, Settling};
use super::stream_body::{Pieces, StreamBody};
use super::unabandoned;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::response_headers;
use crate::spending::Held;

impl Admitted {
    /// Sends the request to its upstream and makes the client's response of the answer.
    ///
    /// Cancellation: a buffered call, and a stream that budgets pay for, go on without their client and are settled by
    /// what they used. Any other stream is cut, and settled by what went through.
    ///
    /// # Errors
    /// The answer for the client. The hold and the share are closed.
    pub(crate) fn call(self, pipeline: &Arc<Pipeline>) -> impl Future<Output = Result<Response, ApiError>> + use<> {
        if let Some(Err(unavailable)) = self.held.as_ref().map(Held::check) {
            let error = refusal::budget_unavailable(unavailable.into());
            refusal::record(pipeline, &self.received, Some(&self.caller.key), Some(self.request.model()), &error);
            return Either::Left(ready(Err(error)));
        }
        let streams = self.request.streams();
        let upstream = Arc::clone(&self.target.upstream);
        let call = Call {
            path: self.request.operation().path(),
            body: Some(self.body.clone()),
            headers: Vec::new(),
            answer: if streams {
                AnswerForm::Streamed
            } else {
                AnswerForm::Buffered { limit_bytes: pipeline.settings.answer_max_bytes }
            },
            timeouts: pipeline.settings.timeouts,
        };
        let settling = Settling::new(Arc::clone(pipeline), self);
        Either::Right(if streams && !settling.is_read_on() {
            // Boxed, so that the handler's future stays small: it is moved several times before it runs.
            Either::Left(Box::pin(stream(upstream, call, settling)))
        } else {
            let clientless = settling.clientless();
            let call = if streams {
                Either::Left(stream(upstream, call, settling))
            } else {
                Either::Right(buffered(upstream, call, settling))
            };
            // A client that goes away must not leave an unknown bill behind.
            let ended = unabandoned::run(&clientless, call);
            Either::Right(
                ended.map(|ended| {
                    ended.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
                }),
            )
        })
    }
}

async fn buffered(upstream: Arc<dyn Upstream>, call: Call, mut settling: Settling) -> Result<Response, ApiError> {
    let answer = match upstream.call(call).await {
        Ok(answer) => answer,
        Err(failure) => return Err(settling.fail(&failure)),
    };
    settling.first_byte();
    let Body::Whole(bytes) = answer.body else {
        return Err(settling.fail(&Failure::new(Kind::Protocol)));
    };
    let read = match answer::read(settling.request(), answer.status, &bytes, None) {
        Ok(read) => read,
        Err(failure) => return Err(settling.fail(&failure)),
    };
    let outbox = settling.outbox();
    let summary = settling.settle(End::answered(answer.status, read.metered, read.id));
    let mut response = Response::new(HttpBody::from(read.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response_headers::add(response.headers_mut(), &summary);
    drop(summary);
    outbox.written_down().await;
    Ok(response)
}

async fn stream(upstream: Arc<dyn Upstream>, call: Call, mut settling: Settling) -> Result<Response, ApiError> {
    let mut tap = Tap::new(settling.request(), None);
    let answer = match upstream.call(call).await {
        Ok(answer) => answer,
        Err(failure) => return Err(settling.fail(&failure)),
    };
    let Answer { status, body: Body::Pieces(mut pieces), .. } = answer else {
        return Err(settling.fail(&Failure::new(Kind::Protocol)));
    };
    let (first, end) = match first_piece(&mut pieces, &mut tap).await {
        Ok(first) => first,
        Err(failure) => {
            settling.metered(tap.metered());
            return Err(settling.fail(&failure));
        }
    };
    settling.first_byte();
    let summary = settling.summary();
    let body = StreamBody::new(pieces, tap, settling, first, end);
    let mut response = HttpBody::new(body).into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response_headers::add(headers, &summary);
    Ok(response)
}

/// Reads until something of the answer can be handed to the client, or the stream has ended.
async fn first_piece(pieces: &mut Pieces, tap: &mut Tap) -> Result<(Bytes, Option<Result<(), Failure>>), Failure> {
    loop {
        let step = match pieces.next().await {
            Some(Ok(piece)) => tap.push(piece),
            Some(Err(failure)) => return Err(failure),
            None => tap.finish(),
        };
        match step.end {
            Some(Err(failure)) if tap.events() == 0 => return Err(failure),
            end if !step.forward.is_empty() || end.is_some() => return Ok((step.forward, end)),
            _ => {}
        }
    }
}

/// What the client is told of a failed call: the upstream's own words where it gave any, cut to a length, else the
/// gateway's. The key that the upstream was called with (`secret`) is hidden in them.
pub(super) fn answer_to(failure: &Failure, model: &str, secret: Option<&Secret>) -> ApiError {
    let code = match (failure.kind, failure.fault()) {
        (Kind::FirstByteTimeout | Kind::IdleTimeout | Kind::TotalTimeout | Kind::ConnectTimeout, _) => {
            ErrorCode::UpstreamTimeout
        }
        (_, Fault::Gateway) => ErrorCode::UpstreamRefused,
        (_, Fault::Client | Fault::Upstream) => ErrorCode::UpstreamFailed,
    };
    let said = failure.said.as_deref();
    let status = said.map_or_else(|| code.status(), |said| if said.status >= 400 { said.status } else { 502 });
    let message = said.and_then(|said| upstream_message(&said.body, secret)).map_or_else(
        || format!("the upstream of `{model}` failed: {failure}"),
        |words| format!("upstream of `{model}`: {words}"),
    );
    let error = ApiError::new(code, message).status(status).kind(match status {
        429 => "throttling_error",
        _ => ApiError::coded("", status, "").kind,
    });
    match failure.retry_after {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

/// `error.message` of an upstream's error body, cut to a length that a header or a log could carry.
fn upstream_message(body: &[u8], secret: Option<&Secret>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = value.pointer("/error/message").or_else(|| value.get("message")).or_else(|| value.get("error"))?;
    let message = message.as_str()?;
    let message = secret.map_or_else(|| message.to_owned(), |secret| secret.hide_in(message));
    Some(message.chars().take(2_048).collect())
}
