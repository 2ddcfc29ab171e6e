//! Where chains end, and which line stands at a position.
//!
//! In control the sequence is the position. In lease and activity the stream does not know positions: a line says its
//! own. A line that does not belong (a foreigner published it) counts as one; but where the gateways' key is known, what
//! was not sealed under it is in no chain at all, whatever it says: a forger can neither move a chain's end nor stop its
//! writer, whose next line follows its own last one.
//!
//! Not even the last true line is believed to be the end: somebody may have published an old one again, and who took that
//! for the end would write beside the chain. The end is walked to, from the last one that is known; `EventLog::note_end`
//! spares walking through what a reader has read anyway.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_nats::jetstream::stream::RawMessageErrorKind;
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::{ChainId, Head, Log, Position};

use super::NatsLog;
use super::stored::{Stored, said_position};

/// How many messages are read at a time when a chain must be walked.
const WALK_PAGE: usize = 1_000;

/// The end of a chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainEnd {
    pub(super) head: Head,
    /// The sequence of the chain's last message, 0 without one.
    pub(super) sequence: u64,
}

impl ChainEnd {
    const EMPTY: Self = Self { head: Head::EMPTY, sequence: 0 };
}

/// The ends of chains that this process appended to, read or asked for. Only a guess of what is last: the server decides.
#[derive(Default)]
pub(super) struct KnownEnds {
    ends: Mutex<HashMap<ChainId, ChainEnd>>,
}

impl KnownEnds {
    /// The most chains that are remembered. Beyond it all are forgotten, which costs each one question.
    const MAX: usize = 10_000;

    fn at(&self, chain: &ChainId, position: Position) -> Option<u64> {
        self.get(chain).filter(|known| known.head.position == position).map(|known| known.sequence)
    }

    fn get(&self, chain: &ChainId) -> Option<ChainEnd> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(chain).copied()
    }

    pub(super) fn learn(&self, chain: &ChainId, end: ChainEnd) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= Self::MAX && !ends.contains_key(chain) {
            ends.clear();
        }
        ends.insert(chain.clone(), end);
    }

    fn forget(&self, chain: &ChainId) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(chain);
    }
}

impl NatsLog {
    /// The sequence that the chain's last message has if the chain ends at `after`; nothing if it ends elsewhere.
    pub(super) async fn sequence_at(&self, chain: &ChainId, after: Position) -> Result<Option<u64>, LogError> {
        if self.layout().log == Log::Control {
            return Ok(Some(after.get()));
        }
        if let Some(sequence) = self.shared.ends.at(chain, after) {
            return Ok(Some(sequence));
        }
        let end = self.chain_end(chain).await?;
        Ok((end.head.position == after).then_some(end.sequence))
    }

    /// Where a chain ends, as the leader of the stream knows it.
    pub(super) async fn chain_end(&self, chain: &ChainId) -> Result<ChainEnd, LogError> {
        let Some(filter) = self.layout().chain_filter(chain) else { return Ok(ChainEnd::EMPTY) };
        let last = match self.stream().await?.get_last_raw_message_by_subject(&filter).await {
            Ok(message) => Stored { sequence: message.sequence, payload: message.payload },
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(ChainEnd::EMPTY),
            Err(error) => return Err(LogError::Unavailable(error.into())),
        };
        let log = self.layout().log;
        let lines = last.lines(log);
        let Some(line) = lines.last() else { return Ok(ChainEnd::EMPTY) };
        if self.walks_to_ends() {
            return self.walk_to_end(chain, &filter, line, last.sequence).await;
        }
        if log == Log::Control {
            let head = Head { position: Position::new(last.sequence), hash: line.hash() };
            return Ok(ChainEnd { head, sequence: last.sequence });
        }
        let head = match self.own_position(line, chain) {
            Some(position) => Head { position, hash: line.hash() },
            None => self.walk(chain, &filter, (ChainEnd::EMPTY, last.sequence), |_, _| false).await?.end,
        };
        let end = ChainEnd { head, sequence: last.sequence };
        self.shared.ends.learn(chain, end);
        Ok(end)
    }

    /// Whether a true line may be one that was said before: see the module.
    fn walks_to_ends(&self) -> bool {
        self.layout().log != Log::Control && self.mac_key().is_some()
    }

    /// Where to walk from, to a line at a position or to the end.
    pub(super) fn known_before(&self, chain: &ChainId, position: Position) -> ChainEnd {
        let known = self.shared.ends.get(chain).filter(|known| self.walks_to_ends() && known.head.position < position);
        known.unwrap_or(ChainEnd::EMPTY)
    }

    /// The chain does not end where it was thought to. What was walked to is true all the same.
    pub(super) fn distrust_end(&self, chain: &ChainId) {
        if !self.walks_to_ends() {
            self.shared.ends.forget(chain);
        }
    }

    /// A reader has read the whole log up to a sequence, and found that a chain ends so.
    pub(super) fn note_chain_end(&self, chain: &ChainId, head: Head, sequence: u64) {
        let is_newer = self.shared.ends.get(chain).is_none_or(|known| known.sequence < sequence);
        if self.walks_to_ends() && is_newer {
            self.shared.ends.learn(chain, ChainEnd { head, sequence });
        }
    }

    /// Walks to the end of a chain, whose last message is this line.
    async fn walk_to_end(&self, chain: &ChainId, filter: &str, line: &Line, last: u64) -> Result<ChainEnd, LogError> {
        // A log that ends before what is known of it has lost something: what is there now counts.
        let known = self.shared.ends.get(chain).filter(|known| known.sequence <= last).unwrap_or(ChainEnd::EMPTY);
        let head = if known.sequence == last {
            known.head
        } else if let Some(head) = self.followed(line, chain, &known.head) {
            head
        } else {
            self.walk(chain, filter, (known, last), |_, _| false).await?.end
        };
        let end = ChainEnd { head, sequence: last };
        self.shared.ends.learn(chain, end);
        Ok(end)
    }

    /// Where a chain ends with a line, if that is true and follows its end.
    fn followed(&self, line: &Line, chain: &ChainId, end: &Head) -> Option<Head> {
        let position = self.own_position(line, chain)?;
        let follows = position == end.position.plus(1) && line.prev() == Some(end.hash);
        follows.then(|| Head { position, hash: line.hash() })
    }

    /// The position that a line of lease or activity says, if it belongs to the chain.
    fn own_position(&self, line: &Line, chain: &ChainId) -> Option<Position> {
        let is_forged = self.mac_key().is_some_and(|key| !line.is_authentic(key));
        if is_forged { None } else { said_position(line, self.layout().log, chain) }
    }

    /// The line at a position of a chain that reaches at least as far, and whose end was `from` once.
    pub(super) async fn line_at(
        &self,
        chain: &ChainId,
        wanted: Position,
        (from, end): (ChainEnd, ChainEnd),
    ) -> Result<Line, LogError> {
        if self.layout().log == Log::Control {
            return Ok(Line::from_bytes(self.message_at(wanted.get()).await?.payload));
        }
        let Some(filter) = self.layout().chain_filter(chain) else {
            return Err(self.damaged(end.sequence, "it has no such chain"));
        };
        let walked = self.walk(chain, &filter, (from, end.sequence), |_, position| position == wanted).await?;
        walked
            .found
            .ok_or_else(|| self.damaged(end.sequence, format!("chain {chain} has no line at position {wanted}")))
    }

    /// Goes through a chain from the message after a known end to the one at `last`, until `is_wanted` says so.
    async fn walk(
        &self,
        chain: &ChainId,
        filter: &str,
        (known, last): (ChainEnd, u64),
        is_wanted: impl Fn(&Line, Position) -> bool + Send,
    ) -> Result<Walked, LogError> {
        let log = self.layout().log;
        let mut end = known.head;
        let mut from = known.sequence + 1;
        while from <= last {
            let page = self.page(from, Some(filter), WALK_PAGE).await?;
            let Some(reached) = page.last().map(|stored| stored.sequence) else {
                // A copy that lags behind: the leader has told of a message that this one does not have.
                return Err(LogError::Unavailable(super::UnexpectedAnswer::boxed("a copy of the stream lags behind")));
            };
            for stored in page.iter().take_while(|stored| stored.sequence <= last) {
                for line in stored.lines(log) {
                    let Some(head) = self.walked_head(&line, chain, &end) else { continue };
                    end = head;
                    if is_wanted(&line, head.position) {
                        return Ok(Walked { end, found: Some(line) });
                    }
                }
            }
            from = reached + 1;
        }
        Ok(Walked { end, found: None })
    }

    /// Where a chain ends with the next message of its subjects; none for one that is in no chain.
    fn walked_head(&self, line: &Line, chain: &ChainId, end: &Head) -> Option<Head> {
        if self.walks_to_ends() {
            return self.followed(line, chain, end);
        }
        let position = match self.own_position(line, chain) {
            Some(position) => position,
            None if self.mac_key().is_some() => return None,
            None => end.position.plus(1),
        };
        Some(Head { position, hash: line.hash() })
    }
}

/// How far a walk through a chain came.
struct Walked {
    /// The last line of the chain that was passed.
    end: Head,
    /// The line that was wanted.
    found: Option<Line>,
}
