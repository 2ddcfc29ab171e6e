//! How a deployment is actively probed, where its registration says so, by LiteLLM's words in `model_info`.

use std::time::Duration;

use serde_json::Value;

use super::setting::{InvalidSetting, seconds, value};
use crate::routing::ProbeBy;

/// The longest time between two probes: a day.
pub const PROBE_INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// The longest time for one probe.
pub const PROBE_TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// What every setting's name holds: a cheap sign that there may be one.
const SIGN: &str = "health_check";

/// See the module. What is none is the gateway's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probing {
    /// Never probed, whatever the gateway's own interval is.
    pub is_off: bool,
    /// How often.
    pub interval: Option<Duration>,
    /// How long a probe may take.
    pub timeout: Option<Duration>,
    /// How it is asked.
    pub by: Option<ProbeBy>,
}

impl Probing {
    /// What is attached to a deployment: `disable_background_health_check`, `health_check_interval` and
    /// `health_check_timeout` in seconds, and `health_check_by`, which is `list` or `call`.
    ///
    /// # Errors
    /// [`InvalidSetting`], the first that is found.
    pub fn of(info: &Value) -> Result<Self, InvalidSetting> {
        const INTERVAL: &str = "is a number of seconds, of 0.001 at least and 86400 at most";
        const TIMEOUT: &str = "is a number of seconds, of 0.001 at least and 600 at most";
        Ok(Self {
            is_off: is_off(info)?,
            interval: seconds(info, "info.health_check_interval", PROBE_INTERVAL_MAX, INTERVAL)?,
            timeout: seconds(info, "info.health_check_timeout", PROBE_TIMEOUT_MAX, TIMEOUT)?,
            by: by(info)?,
        })
    }

    /// The same of an attachment's text. Most have none of it, and are not parsed.
    ///
    /// # Errors
    /// [`InvalidSetting`].
    pub fn of_text(info: &crate::json::Json) -> Result<Self, InvalidSetting> {
        if info.as_str().contains(SIGN) { Self::of(&info.to_value()) } else { Ok(Self::default()) }
    }
}

fn is_off(info: &Value) -> Result<bool, InvalidSetting> {
    const FIELD: &str = "info.disable_background_health_check";
    let Some(told) = value(info, FIELD) else { return Ok(false) };
    told.as_bool().ok_or(InvalidSetting { field: FIELD, expected: "is true or false" })
}

fn by(info: &Value) -> Result<Option<ProbeBy>, InvalidSetting> {
    const FIELD: &str = "info.health_check_by";
    let Some(told) = value(info, FIELD) else { return Ok(None) };
    let by = told.as_str().and_then(ProbeBy::of_name);
    by.map(Some).ok_or(InvalidSetting { field: FIELD, expected: "is `list` or `call`" })
}

#[cfg(test)]
mod tests {
    use super::Probing;
    use crate::json::Json;
    use crate::routing::ProbeBy;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn a_deployment_says_how_it_is_probed() {
        let info = json!({ "health_check_interval": 30, "health_check_timeout": 2.5, "health_check_by": "call" });
        let probing = Probing::of_text(&Json::from_value(&info).unwrap()).unwrap();
        assert_eq!((probing.is_off, probing.by), (false, Some(ProbeBy::Call)));
        assert_eq!(probing.interval, Some(Duration::from_secs(30)));
        assert_eq!(probing.timeout, Some(Duration::from_millis(2_500)));
        assert!(Probing::of(&json!({ "disable_background_health_check": true })).unwrap().is_off);
        assert_eq!(Probing::of_text(&Json::empty()), Ok(Probing::default()));
    }

    #[test]
    fn what_cannot_be_acted_on_is_refused_by_name() {
        for (name, told) in [
            ("health_check_interval", json!(0)),
            ("health_check_interval", json!(86_401)),
            ("health_check_timeout", json!("10")),
            ("health_check_by", json!("ping")),
            ("disable_background_health_check", json!("yes")),
        ] {
            let invalid = Probing::of(&json!({ name: told })).unwrap_err();
            assert_eq!(invalid.field, format!("info.{name}"));
        }
    }
}
