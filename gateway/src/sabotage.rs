//! What can be broken on purpose, so that whoever checks budgets and logs from outside can show that it would be noticed.
//! For `tests/chaos` alone: without the feature `sabotage` nothing here can be switched on, and an optimised build refuses
//! the feature.

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("the feature `sabotage` breaks the gateway on purpose: it is for tests/chaos, never for a release");

/// A rule that the gateway breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Commands that register a realm are answered, and a moment later appended; whether that works nobody asks.
    AnswerBeforeAppend,
    /// Nothing is written to the journal: a request is sent, and answered, before anything survives a kill.
    NoJournal,
    /// What earlier processes left in the journal is not looked at.
    ForgetOutbox,
    /// A budget is checked before a request and charged after it, and nothing is held in between.
    CheckThenAdd,
    /// Each settlement is recorded twice.
    SettleTwice,
    /// What a request that was cut off held beyond what was seen of it is free again.
    ForgetUnseen,
    /// A request whose client left is neither settled nor released.
    ForgetDisconnected,
}

impl Sabotage {
    /// Whether it is done: never without the feature.
    #[cfg(not(feature = "sabotage"))]
    pub(crate) const fn is_done(self) -> bool {
        let _ = self;
        false
    }

    /// Whether it is done: if the environment names it.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is_done(self) -> bool {
        chosen::get() == Some(self)
    }
}

#[cfg(feature = "sabotage")]
mod chosen {
    //! Which one it is. It is asked in places that know of no configuration, and must not.

    use std::sync::OnceLock;

    use super::Sabotage;

    const ALL: [(&str, Sabotage); 7] = [
        ("answer-before-append", Sabotage::AnswerBeforeAppend),
        ("no-journal", Sabotage::NoJournal),
        ("forget-outbox", Sabotage::ForgetOutbox),
        ("check-then-add", Sabotage::CheckThenAdd),
        ("settle-twice", Sabotage::SettleTwice),
        ("forget-unseen", Sabotage::ForgetUnseen),
        ("forget-disconnected", Sabotage::ForgetDisconnected),
    ];

    static CHOSEN: OnceLock<Option<Sabotage>> = OnceLock::new();

    pub(super) fn get() -> Option<Sabotage> {
        *CHOSEN.get_or_init(|| {
            let name = std::env::var("TALLYGATE_SABOTAGE").ok();
            let chosen = ALL.iter().find(|(known, _)| Some(*known) == name.as_deref()).map(|(_, sabotage)| *sabotage);
            tracing::error!(?name, ?chosen, "this build breaks its own rules on purpose");
            chosen
        })
    }
}
