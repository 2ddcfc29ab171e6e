use super::{Failure, Fault, Kind, Retry, Said, Sent};
use bytes::Bytes;

#[test]
fn a_status_says_whose_fault_it_is_and_whether_to_try_again() {
    for (status, kind, fault, retry) in [
        (302, Kind::Redirected, Fault::Gateway, Retry::Other),
        (400, Kind::InvalidRequest, Fault::Client, Retry::Never),
        (401, Kind::Unauthorized, Fault::Gateway, Retry::Other),
        (402, Kind::QuotaExhausted, Fault::Gateway, Retry::Other),
        (403, Kind::Unauthorized, Fault::Gateway, Retry::Other),
        (404, Kind::NotFound, Fault::Gateway, Retry::Other),
        (408, Kind::UpstreamTimeout, Fault::Upstream, Retry::SameOrOther),
        (422, Kind::InvalidRequest, Fault::Client, Retry::Never),
        (429, Kind::RateLimited, Fault::Upstream, Retry::SameOrOther),
        (500, Kind::ServerError, Fault::Upstream, Retry::SameOrOther),
        (502, Kind::BadGateway, Fault::Upstream, Retry::SameOrOther),
        (503, Kind::Overloaded, Fault::Upstream, Retry::SameOrOther),
        (504, Kind::BadGateway, Fault::Upstream, Retry::SameOrOther),
        (529, Kind::Overloaded, Fault::Upstream, Retry::SameOrOther),
        (101, Kind::Protocol, Fault::Upstream, Retry::SameOrOther),
        (999, Kind::Protocol, Fault::Upstream, Retry::SameOrOther),
    ] {
        let found = Kind::of_answer(status, None);
        assert_eq!((found, found.fault(), found.retry()), (kind, fault, retry), "{status}");
    }
}

#[test]
fn a_telling_code_goes_before_the_status() {
    for (status, code, kind) in [
        (429, "insufficient_quota", Kind::QuotaExhausted),
        (400, "context_length_exceeded", Kind::ContextTooLong),
        (400, "content_policy_violation", Kind::ContentFiltered),
        (200, "429", Kind::RateLimited),
        (200, "server_error", Kind::ServerError),
        (500, "unknown_words", Kind::ServerError),
        (400, "200", Kind::InvalidRequest),
    ] {
        assert_eq!(Kind::of_answer(status, Some(code)), kind, "{status} {code}");
    }
}

#[test]
fn only_what_was_certainly_not_done_is_free() {
    assert_eq!(Kind::Refused.sent(), Sent::NotBilled);
    for kind in [Kind::RateLimited, Kind::Overloaded, Kind::ServerError] {
        assert_eq!(kind.sent(), Sent::NotBilled, "{kind:?}");
    }
    for kind in
        [Kind::Reset, Kind::FirstByteTimeout, Kind::IdleTimeout, Kind::BadGateway, Kind::Protocol, Kind::TooLarge]
    {
        assert_eq!(kind.sent(), Sent::Unknown, "{kind:?}");
    }
}

#[test]
fn a_failure_never_prints_what_the_upstream_said() {
    let said = Said { status: 400, content_type: None, request_id: None, body: Bytes::from_static(b"canary prompt") };
    let failure = Failure::told(said, None, None);
    let printed = format!("{failure} {failure:?}");
    assert!(!printed.contains("canary") && printed.contains("status 400"), "{printed}");
}
