//! Reading a request's body, within its limits.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::settings::RequestSettings;

/// Reads a body whole. One that says it is too long is refused before a byte of it is read.
pub(crate) async fn read(settings: &RequestSettings, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let limit = settings.body_max_bytes;
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let message = "a request body must not be compressed: send it without `content-encoding`";
        return Err(ApiError::new(ErrorCode::ContentTypeUnsupported, message));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut whole = pin!(whole(Limited::new(body, limit)));
    // Most bodies come with their head: no timer is made for those, nor room for one.
    let read = match poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await {
        Poll::Ready(read) => Ok(read),
        Poll::Pending => Box::pin(tokio::time::timeout(settings.body_timeout, whole)).await,
    };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(ApiError::new(ErrorCode::BodyInvalid, "the request body ended before it was whole")),
        Err(_) => {
            let seconds = settings.body_timeout.as_secs();
            let message = format!("the request body did not arrive within {seconds} s");
            Err(ApiError::new(ErrorCode::BodyInvalid, message).status(408))
        }
    }
}

/// All of a body. One that comes in one piece, as most do, is not copied.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut first = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        // What is no data is a trailer, which means nothing here.
        let Ok(piece) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = piece;
        } else {
            let rest = body.collect().await?.to_bytes();
            return Ok([first, piece, rest].concat().into());
        }
    }
    Ok(first)
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("a request body has at most {limit} bytes"))
}
