//! What a transport error means: from the HTTP client's chain of causes to a kind of failure.

use std::error::Error;
use std::io;

use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::resolver::ResolveError;

/// The failure of a call whose answer had no head yet.
pub(super) fn before_head(error: reqwest::Error) -> Failure {
    let kind = match connect_kind(&error) {
        Some(kind) => kind,
        None => within_answer_kind(&error),
    };
    // The URL names host and path, which belong to the operator's configuration and not in every log line.
    Failure::new(kind).caused_by(error.without_url())
}

/// The failure of an answer whose body broke off.
pub(super) fn within_body(error: reqwest::Error) -> Failure {
    Failure::new(within_answer_kind(&error)).caused_by(error.without_url())
}

fn connect_kind(error: &reqwest::Error) -> Option<Kind> {
    if !error.is_connect() {
        return None;
    }
    if let Some(resolve) = cause::<ResolveError>(error) {
        return Some(match resolve {
            ResolveError::Forbidden => Kind::HostNotAllowed,
            ResolveError::NoSuchName => Kind::NameNotResolved,
        });
    }
    if error.is_timeout() {
        return Some(Kind::ConnectTimeout);
    }
    if cause::<rustls::Error>(error).is_some() {
        return Some(Kind::Tls);
    }
    let is_garbled = cause::<io::Error>(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof));
    Some(if is_garbled { Kind::Tls } else { Kind::Refused })
}

fn within_answer_kind(error: &reqwest::Error) -> Kind {
    if let Some(hyper) = cause::<hyper::Error>(error) {
        // Order matters: hyper counts an early end among the parse errors of some bodies.
        if hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() {
            return Kind::Reset;
        }
        if hyper.is_parse() || hyper.is_parse_too_large() {
            return Kind::Protocol;
        }
    }
    match cause::<io::Error>(error).map(io::Error::kind) {
        // A chunk whose length is no number.
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Kind::Protocol,
        Some(_) => Kind::Reset,
        None => Kind::Protocol,
    }
}

/// The first cause of a type. An I/O error may wrap another error, which its `source` skips.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| cause::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
