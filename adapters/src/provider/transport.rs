//! What a transport error means: from the HTTP client's chain of causes to a kind of failure.

use std::error::Error;
use std::io;

use tallygate_core::endpoint::EndpointRefused;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::connector::TimedOut;
use super::pool::Failed;
use super::resolver::ResolveError;

/// The failure of a call whose answer had no head yet.
pub(super) fn before_head(failed: Failed) -> Failure {
    match failed {
        Failed::Connect(error) => Failure::new(connect_kind(error.as_ref())).caused_by(error),
        Failed::Exchange(error) => within_body(error),
    }
}

/// The failure of an answer whose body broke off.
pub(super) fn within_body(error: hyper::Error) -> Failure {
    Failure::new(within_answer_kind(&error)).caused_by(error)
}

fn connect_kind(error: &(dyn Error + 'static)) -> Kind {
    if cause::<EndpointRefused>(error).is_some() {
        return Kind::HostNotAllowed;
    }
    match cause::<ResolveError>(error) {
        Some(ResolveError::Forbidden) => return Kind::HostNotAllowed,
        Some(ResolveError::NoSuchName) => return Kind::NameNotResolved,
        None => {}
    }
    // What went wrong with TLS comes wrapped in an I/O error that says nothing.
    let told = |error: &(dyn Error + 'static)| error.downcast_ref().map(io::Error::kind);
    let io = find(error, &|error| told(error).filter(|kind| *kind != io::ErrorKind::Other));
    // The second is the system's word, or that of the limit for one address.
    if cause::<TimedOut>(error).is_some() || io == Some(io::ErrorKind::TimedOut) {
        return Kind::ConnectTimeout;
    }
    if cause::<rustls::Error>(error).is_some() {
        return Kind::Tls;
    }
    match io {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => Kind::Tls,
        _ => Kind::Refused,
    }
}

fn within_answer_kind(error: &(dyn Error + 'static)) -> Kind {
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

/// The first cause of a type.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    find(error, &|error| error.downcast_ref())
}

/// The first of the causes that is looked for. An I/O error may wrap another error, which its `source` skips.
fn find<'a, T>(error: &'a (dyn Error + 'static), pick: &dyn Fn(&'a (dyn Error + 'static)) -> Option<T>) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = pick(error).or_else(|| find(inner?, pick));
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}
