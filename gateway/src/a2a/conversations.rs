//! What this gateway remembers of conversations with agents: the system's prompt and the last turns.
//!
//! Prompts and answers enter no event, so a conversation is this gateway's alone: in memory, and in its content store if it
//! [keeps](super::keeping) them. Its model is not: that is a selection.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tallygate_core::id::RealmId;
use tallygate_core::scope::Conversation;

/// The most conversations that are remembered. The one that rested longest is forgotten first.
const CONVERSATIONS_MAX: usize = 10_000;
/// The most text of all conversations, in bytes.
const TOTAL_MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most turns of one conversation: questions and answers each count.
const TURNS_MAX: usize = 64;
/// The most text of one conversation, in bytes. The oldest turns are forgotten first.
pub(crate) const BYTES_MAX: usize = 256 * 1024;

/// Which conversation, as one realm has it: no realm is told what was said in another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) conversation: Conversation,
    pub(crate) realm: Option<RealmId>,
}

/// What was said before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recalled {
    pub(crate) prompt: Option<Arc<str>>,
    /// Questions with their answers, the oldest first.
    pub(crate) turns: Vec<(Arc<str>, Arc<str>)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    inner: Mutex<Inner>,
    /// Who wants to know which of them have changed.
    changed: Mutex<Option<Sender<Place>>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Place, Entry>,
    /// Which rested longest, by when each was used.
    order: BTreeMap<u64, Place>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    used: u64,
    prompt: Option<Arc<str>>,
    turns: VecDeque<(Arc<str>, Arc<str>)>,
    bytes: usize,
}

impl Conversations {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held that would leave it in need of repair.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells somebody from now on of each conversation that has changed, or is forgotten.
    pub(crate) fn tell(&self, changed: Sender<Place>) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
    }

    /// Tells nobody any more.
    pub(crate) fn tell_nobody(&self) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A conversation as it is; none for one that is new or forgotten.
    pub(crate) fn kept(&self, place: &Place) -> Option<Recalled> {
        self.inner().entries.get(place).map(Entry::recalled)
    }

    /// Remembers a conversation as it was.
    pub(crate) fn restore(&self, place: &Place, recalled: Recalled) {
        let Recalled { prompt, turns } = recalled;
        self.change(place, |entry| (entry.prompt, entry.turns) = (prompt, turns.into()));
    }

    fn change(&self, place: &Place, change: impl FnOnce(&mut Entry)) {
        let touched = self.inner().change(place, change);
        if let Some(changed) = &*self.changed.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens where the gateway ends.
            touched.into_iter().for_each(|place| drop(changed.send(place)));
        }
    }

    /// What was said before; nothing for a conversation that is new or forgotten.
    pub(crate) fn recall(&self, place: &Place) -> Recalled {
        self.kept(place).unwrap_or_default()
    }

    /// Another prompt for the system, from the next message on; none for no prompt.
    pub(crate) fn set_prompt(&self, place: &Place, prompt: Option<String>) {
        self.change(place, |entry| entry.prompt = prompt.map(Arc::from));
    }

    /// A question that was answered. Two that are asked at once are noted in the order of their answers. One that is too long
    /// for a conversation is not remembered, and takes nothing else with it.
    pub(crate) fn note(&self, place: &Place, asked: &str, answered: &str) {
        self.change(place, |entry| {
            if entry.prompt_bytes() + asked.len() + answered.len() <= BYTES_MAX {
                entry.turns.push_back((Arc::from(asked), Arc::from(answered)));
            }
        });
    }
}

impl Inner {
    /// Changes one, and tells which are touched by it: those too that are forgotten for it.
    fn change(&mut self, place: &Place, change: impl FnOnce(&mut Entry)) -> Vec<Place> {
        let mut touched = vec![place.clone()];
        let mut entry = self.forget(place).unwrap_or_default();
        change(&mut entry);
        entry.trim();
        self.uses += 1;
        entry.used = self.uses;
        self.bytes += entry.bytes;
        self.order.insert(entry.used, place.clone());
        self.entries.insert(place.clone(), entry);
        while self.entries.len() > CONVERSATIONS_MAX || self.bytes > TOTAL_MAX_BYTES {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            let oldest = oldest.clone();
            self.forget(&oldest);
            touched.push(oldest);
        }
        touched
    }

    fn forget(&mut self, place: &Place) -> Option<Entry> {
        let entry = self.entries.remove(place)?;
        self.order.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

impl Entry {
    fn recalled(&self) -> Recalled {
        Recalled { prompt: self.prompt.clone(), turns: self.turns.iter().cloned().collect() }
    }

    fn prompt_bytes(&self) -> usize {
        self.prompt.as_ref().map_or(0, |prompt| prompt.len())
    }

    /// Forgets the oldest turns beyond the limits.
    fn trim(&mut self) {
        let prompt = self.prompt_bytes();
        let of_turns = self.turns.iter().map(|(asked, answered)| asked.len() + answered.len()).sum::<usize>();
        self.bytes = prompt + of_turns;
        while self.turns.len() * 2 > TURNS_MAX || self.bytes > BYTES_MAX {
            let Some((asked, answered)) = self.turns.pop_front() else { break };
            self.bytes -= asked.len() + answered.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::scope::Conversation;
    use tallygate_core::testing::samples::id;

    use super::{BYTES_MAX, CONVERSATIONS_MAX, Conversations, Place, TOTAL_MAX_BYTES, TURNS_MAX};

    fn place(context: &str, realm: &str) -> Place {
        Place { conversation: Conversation { agent: id("did:a"), context: id(context) }, realm: Some(id(realm)) }
    }

    #[test]
    fn a_conversation_is_remembered_in_its_order_and_by_its_realm_alone() {
        let all = Conversations::default();
        let one = place("one", "acme");
        all.set_prompt(&one, Some("Be brief.".to_owned()));
        all.note(&one, "a", "b");
        all.note(&one, "c", "d");
        let recalled = all.recall(&one);
        assert_eq!(recalled.prompt.as_deref(), Some("Be brief."));
        let turns: Vec<_> = recalled.turns.iter().map(|(asked, answered)| (&**asked, &**answered)).collect();
        assert_eq!(turns, [("a", "b"), ("c", "d")]);
        for other in [place("two", "acme"), place("one", "globex")] {
            assert_eq!(all.recall(&other), super::Recalled::default());
        }
        all.set_prompt(&one, None);
        assert_eq!((all.recall(&one).prompt, all.recall(&one).turns.len()), (None, 2));
    }

    #[test]
    fn the_oldest_turns_are_forgotten_beyond_the_limits() {
        let all = Conversations::default();
        let one = place("one", "acme");
        for number in 0..TURNS_MAX {
            all.note(&one, &number.to_string(), "x");
        }
        let turns = all.recall(&one).turns;
        assert_eq!((turns.len(), &*turns[0].0), (TURNS_MAX / 2, (TURNS_MAX / 2).to_string().as_str()));
        all.note(&one, "long", &"x".repeat(BYTES_MAX - 4));
        assert_eq!(all.recall(&one).turns.len(), 1, "what is just as long as the limit is kept");
        all.note(&one, "longer", &"x".repeat(BYTES_MAX));
        assert_eq!(all.recall(&one).turns.len(), 1, "what is too long takes nothing else with it");
        assert_eq!(all.inner().bytes, BYTES_MAX);
    }

    #[test]
    fn the_conversation_that_rested_longest_is_forgotten_first() {
        let all = Conversations::default();
        for number in 0..CONVERSATIONS_MAX {
            all.note(&place(&format!("c{number}"), "acme"), "a", "b");
        }
        all.note(&place("c0", "acme"), "c", "d");
        all.note(&place("new", "acme"), "a", "b");
        assert_eq!(all.recall(&place("c0", "acme")).turns.len(), 2);
        assert!(all.recall(&place("c1", "acme")).turns.is_empty());
        let inner = all.inner();
        assert_eq!((inner.entries.len(), inner.order.len()), (CONVERSATIONS_MAX, CONVERSATIONS_MAX));
    }

    #[test]
    fn all_conversations_together_have_a_limit() {
        let all = Conversations::default();
        for number in 0..=TOTAL_MAX_BYTES / BYTES_MAX {
            all.note(&place(&format!("c{number}"), "acme"), "", &"x".repeat(BYTES_MAX));
        }
        assert!(all.recall(&place("c0", "acme")).turns.is_empty());
        assert_eq!((all.recall(&place("c1", "acme")).turns.len(), all.inner().bytes), (1, TOTAL_MAX_BYTES));
    }
}
