//! Conversations beyond the end of the process: a thread writes each that has changed to the content store, sealed, and a start
//! reads them back. No request waits for it; what was said in the last seconds before a kill is forgotten.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallygate_adapters::secret::SealedVault;
use tallygate_core::digest::Digest;
use tallygate_core::id::{AgentId, ContextId, RealmId};
use tallygate_core::port::clock::Clock;
use tallygate_core::scope::Conversation;
use tallygate_core::time::Timestamp;
use tallygate_projections::{Content, ContentStore, StoreError};

use super::conversations::{Conversations, Place, Recalled};

/// A conversation that rested for longer is forgotten at the next start.
const REST_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a content says.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    agent: AgentId,
    context: ContextId,
    realm: Option<RealmId>,
    at: Timestamp,
    prompt: Option<Arc<str>>,
    turns: Vec<(Arc<str>, Arc<str>)>,
}

/// The thread that writes. It is to be ended, so that the last conversations are written.
#[derive(Debug)]
pub(crate) struct Keeper {
    conversations: Arc<Conversations>,
    thread: JoinHandle<()>,
}

/// What a keeper works with.
pub(crate) struct Keeping {
    pub(crate) conversations: Arc<Conversations>,
    pub(crate) vault: Arc<SealedVault>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Keeping {
    /// Recalls what was kept in a folder, but for conversations with agents that are not there any more, and keeps what is said
    /// from now on. Blocks while it reads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn begin(self, dir: &Path, is_known: impl Fn(&AgentId) -> bool) -> Result<Keeper, StoreError> {
        let (store, kept) = ContentStore::open(dir)?;
        let conversations = Arc::clone(&self.conversations);
        let (changed, changes) = channel();
        self.recall(&store, kept, is_known);
        conversations.tell(changed);
        let thread =
            std::thread::Builder::new().name("conversations".to_owned()).spawn(move || self.run(&store, &changes));
        let thread = thread.map_err(|source| StoreError::Io {
            what: "starting the thread that keeps conversations of",
            path: dir.to_owned(),
            source,
        })?;
        Ok(Keeper { conversations, thread })
    }

    fn recall(&self, store: &ContentStore, kept: Vec<Content>, is_known: impl Fn(&AgentId) -> bool) {
        let oldest = self.clock.now().millis().saturating_sub(i64::try_from(REST_MAX.as_millis()).unwrap_or(i64::MAX));
        let (mut rows, mut unreadable) = (Vec::new(), 0_usize);
        for (name, sealed) in kept {
            match self.open(&name, &sealed) {
                Some(row) if is_known(&row.agent) && row.at.millis() >= oldest => rows.push(row),
                Some(_) => store.forget(&name),
                None => {
                    unreadable += 1;
                    store.forget(&name);
                }
            }
        }
        if unreadable > 0 {
            tracing::warn!(
                unreadable,
                "conversations are forgotten: they were sealed under another secret, or changed"
            );
        }
        rows.sort_by_key(|row| row.at);
        let mut places = Vec::with_capacity(rows.len());
        for Row { agent, context, realm, prompt, turns, .. } in rows {
            let place = Place { conversation: Conversation { agent, context }, realm };
            self.conversations.restore(&place, Recalled { prompt, turns });
            places.push(place);
        }
        let too_many = places.iter().filter(|place| self.conversations.kept(place).is_none());
        too_many.for_each(|place| store.forget(&name(place)));
    }

    fn run(self, store: &ContentStore, changes: &Receiver<Place>) {
        while let Ok(first) = changes.recv() {
            // Each conversation once, however often it has changed meanwhile.
            let changed: HashSet<Place> = std::iter::once(first).chain(changes.try_iter()).collect();
            for place in changed {
                self.keep(store, place);
            }
        }
    }

    fn keep(&self, store: &ContentStore, place: Place) {
        let name = name(&place);
        let Some(Recalled { prompt, turns }) = self.conversations.kept(&place) else { return store.forget(&name) };
        let Place { conversation: Conversation { agent, context }, realm } = place;
        let row = Row { agent, context, realm, at: self.clock.now(), prompt, turns };
        let content = serde_json::to_vec(&row).ok().and_then(|text| self.vault.seal_content(&name, &text).ok());
        match content {
            Some(content) => store.keep(name, content),
            // It would be recalled as it was before.
            None => store.forget(&name),
        }
    }

    fn open(&self, name: &Digest, sealed: &[u8]) -> Option<Row> {
        let content = self.vault.open_content(name, sealed).ok()?;
        serde_json::from_slice(&content).ok()
    }
}

impl Keeper {
    /// Writes what is left, and ends. Blocks.
    pub(crate) fn end(self) {
        self.conversations.tell_nobody();
        if self.thread.join().is_err() {
            tracing::error!("the thread that keeps conversations has panicked");
        }
    }
}

/// The name of a conversation's content: nobody who reads the disk learns whose it is.
fn name(place: &Place) -> Digest {
    let Place { conversation: Conversation { agent, context }, realm } = place;
    Digest::of(&serde_json::to_vec(&(agent, context, realm)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tallygate_adapters::secret::{Environment, Keys, SealedVault};
    use tallygate_core::id::AgentId;
    use tallygate_core::port::clock::Clock;
    use tallygate_core::scope::Conversation;
    use tallygate_core::secret::Secret;
    use tallygate_core::testing::samples::id;

    use super::super::conversations::{Conversations, Place};
    use super::{Keeper, Keeping};
    use crate::system::SystemClock;

    fn place(agent: &str) -> Place {
        Place { conversation: Conversation { agent: id(agent), context: id("c") }, realm: Some(id("acme")) }
    }

    fn begin(dir: &Path, secret: &str, is_known: impl Fn(&AgentId) -> bool) -> (Arc<Conversations>, Keeper) {
        let keys = Keys::derive(&Secret::new(secret)).unwrap();
        let conversations = Arc::new(Conversations::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let vault = Arc::new(SealedVault::new(keys.sealing, Environment::default()));
        let keeping = Keeping { conversations: Arc::clone(&conversations), vault, clock };
        (conversations, keeping.begin(dir, is_known).unwrap())
    }

    const SECRET: &str = "a gateway secret of some length";

    #[test]
    fn what_was_said_is_recalled_under_the_same_secret_for_agents_that_are_still_there() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("conversations");
        let (conversations, keeper) = begin(&dir, SECRET, |_| true);
        conversations.set_prompt(&place("did:a"), Some("Be brief.".to_owned()));
        conversations.note(&place("did:a"), "asked", "answered");
        conversations.note(&place("did:b"), "asked", "answered");
        keeper.end();
        let (conversations, keeper) = begin(&dir, SECRET, |agent| *agent == id("did:a"));
        let recalled = conversations.recall(&place("did:a"));
        assert_eq!((recalled.prompt.as_deref(), recalled.turns.len()), (Some("Be brief."), 1));
        assert!(conversations.recall(&place("did:b")).turns.is_empty());
        keeper.end();
        let (conversations, keeper) = begin(&dir, SECRET, |_| true);
        assert!(conversations.recall(&place("did:b")).turns.is_empty(), "it was forgotten on disk too");
        keeper.end();
        let (conversations, keeper) = begin(&dir, "another secret of some length", |_| true);
        assert!(conversations.recall(&place("did:a")).turns.is_empty());
        keeper.end();
        let (conversations, keeper) = begin(&dir, SECRET, |_| true);
        assert!(conversations.recall(&place("did:a")).turns.is_empty(), "what cannot be read is forgotten");
        keeper.end();
    }
}
