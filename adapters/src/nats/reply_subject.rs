//! Which subjects an answer may be sent to.
//!
//! The sender of a command chooses where the answer goes, and the server checks the gateway's permissions there, not the
//! sender's. So whoever may only send commands could have the gateway write its answer into a log, or call JetStream's
//! own API. Answers go to inboxes and other plain subjects, never to what belongs to Tallygate or to the system.

use super::prefix::Prefix;

/// The longest subject that is answered to, in bytes.
const MAX_BYTES: usize = 512;

/// Whether an answer may be sent there: not to a subject under the prefix (but for `<prefix>.reply.`), not to one that
/// begins with `$`, not to one that is no subject to publish to.
#[must_use]
pub fn is_allowed(prefix: &Prefix, subject: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>'))
    };
    if subject.len() > MAX_BYTES || !subject.split('.').all(is_token) {
        return false;
    }
    let mut tokens = subject.split('.');
    match tokens.next() {
        Some(first) if first == prefix.as_str() => tokens.next() == Some("reply") && tokens.next().is_some(),
        Some(first) => !first.starts_with('$'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, is_allowed};
    use crate::nats::prefix::Prefix;

    #[test]
    fn inboxes_and_plain_subjects_are_answered() {
        for subject in ["_INBOX.abc.1", "services.billing.answers", "tallygate.reply.billing", "tallygate2.x"] {
            assert!(is_allowed(&Prefix::default(), subject), "{subject}");
        }
    }

    #[test]
    fn logs_and_system_subjects_are_never_answered() {
        let long = "x".repeat(MAX_BYTES + 1);
        for subject in [
            "tallygate.control.default.realm-default",
            "tallygate.commands.IssueKey",
            "tallygate",
            "tallygate.reply",
            "$JS.API.STREAM.DELETE.TALLYGATE_CONTROL",
            "$SYS.REQ",
            "a.*.b",
            "a.>",
            "a..b",
            "",
            "a b",
            "a\r\nPUB x",
            &long,
        ] {
            assert!(!is_allowed(&Prefix::default(), subject), "{subject:?}");
        }
    }
}
