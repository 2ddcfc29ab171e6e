//! Where chains end, and which line stands at a position.
//!
//! In control the sequence is the position. In lease and activity the stream does not know positions: a line says its
//! own, and a line that does not belong (a foreigner published it) counts as one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_nats::jetstream::stream::RawMessageErrorKind;
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::{ChainId, Head, Log, Position};

use super::NatsLog;
use super::stored::{Stored, position, said_position};

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
        let position = match (log, said_position(line, log, chain)) {
            (Log::Control, _) => Position::new(last.sequence),
            (_, Some(position)) => position,
            (_, None) => self.walk(chain, &filter, last.sequence, |_, _| false).await?.0,
        };
        if log != Log::Control {
            self.shared.ends.learn(chain, position, last.sequence);
        }
        Ok(ChainEnd { head: Head { position, hash: line.hash() }, sequence: last.sequence })
    }

    /// The line at a position of a chain that reaches at least as far.
    pub(super) async fn line_at(&self, chain: &ChainId, wanted: Position, end: ChainEnd) -> Result<Line, LogError> {
        if self.layout().log == Log::Control {
            return Ok(Line::from_bytes(self.message_at(wanted.get()).await?.payload));
        }
        let Some(filter) = self.layout().chain_filter(chain) else {
            return Err(self.damaged(end.sequence, "it has no such chain"));
        };
        let (_, found) = self.walk(chain, &filter, end.sequence, |_, position| position == wanted).await?;
        found.ok_or_else(|| self.damaged(end.sequence, format!("chain {chain} has no line at position {wanted}")))
    }

    /// Goes through a chain from its first message to the one at `last`, until `is_wanted` says so. Tells the position
    /// it came to, and the line that was wanted.
    async fn walk(
        &self,
        chain: &ChainId,
        filter: &str,
        last: u64,
        is_wanted: impl Fn(&Line, Position) -> bool + Send,
    ) -> Result<(Position, Option<Line>), LogError> {
        let log = self.layout().log;
        let mut at = Position::START;
        let mut from = 1;
        while from <= last {
            let page = self.page(from, Some(filter), WALK_PAGE).await?;
            let Some(reached) = page.last().map(|stored| stored.sequence) else {
                // A copy that lags behind: the leader has told of a message that this one does not have.
                return Err(LogError::Unavailable(super::UnexpectedAnswer::boxed("a copy of the stream lags behind")));
            };
            for stored in page.iter().take_while(|stored| stored.sequence <= last) {
                for line in stored.lines(log) {
                    at = position(&line, log, chain, at);
                    if is_wanted(&line, at) {
                        return Ok((at, Some(line)));
                    }
                }
            }
            from = reached + 1;
        }
        Ok((at, None))
    }
}
