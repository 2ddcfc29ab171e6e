//! How long a deployment is waited for, and how often it is asked again, where its registration says so.
//!
//! `timeout`, `stream_timeout` and `max_retries` are LiteLLM's words and mean what its clients make of them: `timeout` is
//! for a whole answer; of a stream, the time to its first event and from one event to the next.

use std::time::Duration;

use serde_json::Value;

use super::setting::{InvalidSetting, seconds, value};
use crate::port::provider::Timeouts;
use crate::routing::RETRIES_MAX;

/// The longest time for a connection.
pub const CONNECT_MAX: Duration = Duration::from_secs(60);
/// The longest time for anything else of a call. As long as a call may take at all: what a crash leaves open rests longer.
pub const CALL_MAX: Duration = Duration::from_secs(6_000);

const CONNECT: &str = "is a number of seconds, of 0.001 at least and 60 at most";
const CALL: &str = "is a number of seconds, of 0.001 at least and 6000 at most";
const RETRIES: &str = "is a whole number of 10 at most";

/// See the module. What is none is the gateway's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
    timeout: Option<Duration>,
    stream_timeout: Option<Duration>,
    /// How often a request that failed there is tried again on the model.
    pub max_retries: Option<u8>,
}

impl Patience {
    /// What a deployment's parameters say: `timeout`, `stream_timeout`, `connect_timeout`, `first_byte_timeout`,
    /// `idle_timeout` and `total_timeout` in seconds, and `max_retries`.
    ///
    /// # Errors
    /// [`InvalidSetting`], the first that is found.
    pub fn of(params: &Value) -> Result<Self, InvalidSetting> {
        let call = |field| seconds(params, field, CALL_MAX, CALL);
        Ok(Self {
            connect: seconds(params, "params.connect_timeout", CONNECT_MAX, CONNECT)?,
            first_byte: call("params.first_byte_timeout")?,
            idle: call("params.idle_timeout")?,
            total: call("params.total_timeout")?,
            timeout: call("params.timeout")?,
            stream_timeout: call("params.stream_timeout")?,
            max_retries: retries(params)?,
        })
    }

    /// How long a call is waited for, where the gateway's own limits are these.
    #[must_use]
    pub fn over(&self, own: &Timeouts, streams: bool) -> Timeouts {
        let each = if streams { self.stream_timeout.or(self.timeout) } else { self.timeout };
        let whole = if streams { None } else { self.timeout };
        Timeouts {
            connect: self.connect.unwrap_or(own.connect),
            first_byte: self.first_byte.or(each).unwrap_or(own.first_byte),
            idle: self.idle.or(each).unwrap_or(own.idle),
            total: self.total.or(whole).or(own.total),
        }
    }
}

fn retries(params: &Value) -> Result<Option<u8>, InvalidSetting> {
    const FIELD: &str = "params.max_retries";
    let Some(told) = value(params, FIELD) else { return Ok(None) };
    let retries = told.as_u64().and_then(|told| u8::try_from(told).ok()).filter(|told| *told <= RETRIES_MAX);
    retries.map(Some).ok_or(InvalidSetting { field: FIELD, expected: RETRIES })
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use crate::port::provider::Timeouts;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn over(params: &Value, streams: bool) -> [u64; 4] {
        let limits = Patience::of(params).unwrap().over(&Timeouts::default(), streams);
        [limits.connect, limits.first_byte, limits.idle, limits.total.unwrap_or_default()].map(|limit| limit.as_secs())
    }

    #[test]
    fn what_is_not_said_is_the_gateways_own() {
        assert_eq!(over(&json!({}), false), [5, 600, 300, 6_000]);
        assert_eq!(over(&json!({ "timeout": null, "max_retries": null }), true), [5, 600, 300, 6_000]);
    }

    #[test]
    fn a_timeout_is_for_the_whole_answer_and_for_each_wait_of_a_stream() {
        let params = json!({ "timeout": 30 });
        assert_eq!(over(&params, false), [5, 30, 30, 30]);
        assert_eq!(over(&params, true), [5, 30, 30, 6_000]);
        let params = json!({ "timeout": 30, "stream_timeout": 7 });
        assert_eq!(over(&params, false), [5, 30, 30, 30]);
        assert_eq!(over(&params, true), [5, 7, 7, 6_000]);
    }

    #[test]
    fn each_limit_has_a_word_of_its_own_that_goes_before() {
        let params = json!({ "timeout": 30, "connect_timeout": 1, "first_byte_timeout": 2, "idle_timeout": 3, "total_timeout": 4 });
        assert_eq!(over(&params, false), [1, 2, 3, 4]);
        assert_eq!(over(&params, true), [1, 2, 3, 4]);
    }

    #[test]
    fn limits_have_bounds() {
        for (field, most, more) in [
            ("connect_timeout", 60, 61),
            ("timeout", 6_000, 6_001),
            ("total_timeout", 6_000, 6_001),
            ("max_retries", 10, 11),
        ] {
            assert!(Patience::of(&json!({ field: most })).is_ok(), "{field}");
            let invalid = Patience::of(&json!({ field: more })).unwrap_err();
            assert_eq!(invalid.field, format!("params.{field}"));
        }
        assert_eq!(Patience::of(&json!({ "max_retries": 0 })).unwrap().max_retries, Some(0));
        for told in [json!(-1), json!(0.5), json!("2"), json!(300)] {
            assert!(Patience::of(&json!({ "max_retries": told })).is_err(), "{told}");
        }
    }

    #[test]
    fn a_limit_may_be_less_than_a_second() {
        let limits = Patience::of(&json!({ "timeout": 0.25 })).unwrap().over(&Timeouts::default(), false);
        assert_eq!(limits.total, Some(Duration::from_millis(250)));
    }
}
