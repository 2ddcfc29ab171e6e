//! Where chains end, and which line stands at a position.
//!
//! In control the sequence is the position. In lease and activity the stream does not know positions: a line says its
//! own. A line that does not belong (a foreigner published it) counts as one; but where the gateways' key is known, what
//! was not sealed under it is in no chain at all, whatever it says: a forger can neither move a chain's end nor stop its
//! writer, whose next line follows its own last one.

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

/// The last sequences of chains that this process appended to or asked for. Only a guess: the server decides.
#[derive(Default)]
pub(super) struct KnownEnds {
    ends: Mutex<HashMap<ChainId, (Position, u64)>>,
}

impl KnownEnds {
    /// The most chains that are remembered. Beyond it all are forgotten, which costs each one question.
    const MAX: usize = 10_000;

    fn at(&self, chain: &ChainId, position: Position) -> Option<u64> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(chain).filter(|(known, _)| *known == position).map(|(_, sequence)| *sequence)
    }

    pub(super) fn learn(&self, chain: &ChainId, position: Position, sequence: u64) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= Self::MAX && !ends.contains_key(chain) {
            ends.clear();
        }
        ends.insert(chain.clone(), (position, sequence));
    }

    pub(super) fn forget(&self, chain: &ChainId) {
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
        if log == Log::Control {
            let head = Head { position: Position::new(last.sequence), hash: line.hash() };
            return Ok(ChainEnd { head, sequence: last.sequence });
        }
        let head = match self.own_position(line, chain) {
            Some(position) => Head { position, hash: line.hash() },
            None => self.walk(chain, &filter, last.sequence, |_, _| false).await?.end,
        };
        self.shared.ends.learn(chain, head.position, last.sequence);
        Ok(ChainEnd { head, sequence: last.sequence })
    }

    /// The position that a line of lease or activity says, if it belongs to the chain.
    fn own_position(&self, line: &Line, chain: &ChainId) -> Option<Position> {
        let is_forged = self.mac_key().is_some_and(|key| !line.is_authentic(key));
        if is_forged { None } else { said_position(line, self.layout().log, chain) }
    }

    /// The line at a position of a chain that reaches at least as far.
    pub(super) async fn line_at(&self, chain: &ChainId, wanted: Position, end: ChainEnd) -> Result<Line, LogError> {
        if self.layout().log == Log::Control {
            return Ok(Line::from_bytes(self.message_at(wanted.get()).await?.payload));
        }
        let Some(filter) = self.layout().chain_filter(chain) else {
            return Err(self.damaged(end.sequence, "it has no such chain"));
        };
        let walked = self.walk(chain, &filter, end.sequence, |_, position| position == wanted).await?;
        walked
            .found
            .ok_or_else(|| self.damaged(end.sequence, format!("chain {chain} has no line at position {wanted}")))
    }

    /// Goes through a chain from its first message to the one at `last`, until `is_wanted` says so.
    async fn walk(
        &self,
        chain: &ChainId,
        filter: &str,
        last: u64,
        is_wanted: impl Fn(&Line, Position) -> bool + Send,
    ) -> Result<Walked, LogError> {
        let log = self.layout().log;
        let skips_foreign = self.mac_key().is_some();
        let mut end = Head::EMPTY;
        let mut from = 1;
        while from <= last {
            let page = self.page(from, Some(filter), WALK_PAGE).await?;
            let Some(reached) = page.last().map(|stored| stored.sequence) else {
                // A copy that lags behind: the leader has told of a message that this one does not have.
                return Err(LogError::Unavailable(super::UnexpectedAnswer::boxed("a copy of the stream lags behind")));
            };
            for stored in page.iter().take_while(|stored| stored.sequence <= last) {
                for line in stored.lines(log) {
                    let position = match self.own_position(&line, chain) {
                        Some(position) => position,
                        None if skips_foreign => continue,
                        None => end.position.plus(1),
                    };
                    end = Head { position, hash: line.hash() };
                    if is_wanted(&line, position) {
                        return Ok(Walked { end, found: Some(line) });
                    }
                }
            }
            from = reached + 1;
        }
        Ok(Walked { end, found: None })
    }
}

/// How far a walk through a chain came.
struct Walked {
    /// The last line of the chain that was passed.
    end: Head,
    /// The line that was wanted.
    found: Option<Line>,
}
