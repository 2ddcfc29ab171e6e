//! A window that was charged, written out once: every settlement of its requests names it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::Charge;

/// A [`Charge`] with its JSON. Cheap to clone, and to write.
#[derive(Clone)]
pub struct Charged(Arc<Written>);

struct Written {
    charge: Charge,
    /// None where JSON cannot hold it, which its ids do not allow.
    json: Option<Box<RawValue>>,
}

impl From<Charge> for Charged {
    fn from(charge: Charge) -> Self {
        let json = serde_json::value::to_raw_value(&charge).ok();
        Self(Arc::new(Written { charge, json }))
    }
}

impl Deref for Charged {
    type Target = Charge;

    fn deref(&self) -> &Charge {
        &self.0.charge
    }
}

impl PartialEq for Charged {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.charge == other.0.charge
    }
}

impl Eq for Charged {}

impl fmt::Debug for Charged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.charge.fmt(f)
    }
}

impl Serialize for Charged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.json {
            Some(json) if serializer.is_human_readable() => json.serialize(serializer),
            _ => self.0.charge.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Charged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Charge::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Charged;
    use crate::activity::Charge;
    use crate::scope::Scope;
    use crate::time::{Period, Timestamp};

    #[test]
    fn it_is_written_as_what_it_is_and_read_back() {
        let charge = Charge { scope: Scope::Gateway, period: Period::Total, window: Timestamp::from_millis(0) };
        let charged = Charged::from(charge.clone());
        let json = serde_json::to_string(&[&charged, &charged]).unwrap();
        assert_eq!(json, serde_json::to_string(&[&charge, &charge]).unwrap());
        assert_eq!(serde_json::from_str::<Vec<Charged>>(&json).unwrap(), [charged.clone(), charged]);
    }
}
