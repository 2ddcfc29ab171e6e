//! Where lines go: streams, subjects and the filters of chains.

use tallygate_core::envelope::Envelope;
use tallygate_core::stream::{ChainId, Log};

use crate::nats::prefix::Prefix;
use crate::nats::token;

/// Names of one log in JetStream.
pub(super) struct Layout {
    pub(super) log: Log,
    /// The stream's name.
    pub(super) stream: String,
    /// What every subject of the log begins with.
    root: String,
}

impl Layout {
    pub(super) fn new(prefix: &Prefix, log: Log) -> Self {
        Self { log, stream: prefix.stream(log.name()), root: prefix.subject(log.name()) }
    }

    /// The subjects that the stream takes.
    pub(super) fn subjects(&self) -> String {
        match self.log {
            Log::Control | Log::Lease => format!("{}.*.*", self.root),
            Log::Activity => format!("{}.*", self.root),
        }
    }

    /// The subject of a line. Nothing when its stream cannot be in this log.
    pub(super) fn subject(&self, envelope: &Envelope<'_>) -> Option<String> {
        match self.log {
            Log::Control | Log::Lease => {
                let realm = envelope.realm.as_ref().map_or("", |realm| realm.as_str());
                Some(format!("{}.{}.{}", self.root, token::encode(realm), token::encode(envelope.stream.as_str())))
            }
            Log::Activity => self.chain_filter(&ChainId::of(self.log, &envelope.stream)),
        }
    }

    /// What matches the subjects of one chain and no others. Nothing when the log cannot have such a chain.
    pub(super) fn chain_filter(&self, chain: &ChainId) -> Option<String> {
        match self.log {
            Log::Control => (*chain == ChainId::control()).then(|| self.subjects()),
            Log::Lease => Some(format!("{}.*.{}", self.root, token::encode(chain.as_str()))),
            Log::Activity => {
                let writer = chain.as_writer().ok()?;
                Some(format!("{}.{}", self.root, token::encode(writer.as_str())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;
    use crate::nats::prefix::Prefix;
    use tallygate_core::id::{RealmId, WriterId};
    use tallygate_core::stream::{ChainId, Log, StreamId};

    fn filter(log: Log, chain: &ChainId) -> Option<String> {
        Layout::new(&Prefix::default(), log).chain_filter(chain)
    }

    #[test]
    fn a_chain_has_subjects_of_its_own_whatever_its_name() {
        let realm = StreamId::realm(&RealmId::new("a.*.> b").unwrap());
        let lease = filter(Log::Lease, &ChainId::of(Log::Lease, &realm));
        assert_eq!(lease.as_deref(), Some("tallygate.lease.*.realm-a%2E%2A%2E%3E%20b"));
        let writer = ChainId::writer(&WriterId::new("gateway-1.example").unwrap());
        assert_eq!(filter(Log::Activity, &writer).as_deref(), Some("tallygate.activity.gateway-1%2Eexample"));
        assert_eq!(filter(Log::Control, &ChainId::control()).as_deref(), Some("tallygate.control.*.*"));
    }

    #[test]
    fn a_chain_of_another_log_has_no_subjects() {
        let realm = ChainId::of(Log::Lease, &StreamId::realm(&RealmId::default_realm()));
        assert_eq!(filter(Log::Control, &realm), None);
        assert_eq!(filter(Log::Activity, &realm), None);
    }
}
