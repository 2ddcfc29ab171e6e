//! What gateways tell one another of the agents that are connected to them.
//!
//! A report holds rows of agents and what has changed for the rest; no report stands for all agents of a gateway. Whatever is
//! so is said again and again, so one that was lost is made good by later ones.

use serde::{Deserialize, Serialize};
use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;

use super::ToldAt;
use crate::sealed::Purpose;

/// The most agents in one report, those that left too.
pub(super) const ROWS_MAX: usize = 200;
/// The longest report that is read, in bytes, its MAC included. It holds so many agents with ids of the longest kind.
const REPORT_MAX_BYTES: usize = 256 * 1024;
pub(super) const PURPOSE: Purpose = Purpose { name: "tallygate agent report 1", max_bytes: REPORT_MAX_BYTES };

/// What one gateway says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) gateway: WriterId,
    /// A later run of the gateway has a larger number.
    pub(super) run: u64,
    /// Each report of a run has a larger number than those before.
    pub(super) number: u64,
    /// Whether the gateway stops: it has no agents any more.
    pub(super) stops: bool,
    pub(super) news: News,
}

/// What is new, or said again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct News {
    /// Every agent that was told something has been told what is so at this position; none where nothing is said of it.
    pub(super) checked: Option<Position>,
    /// Agents that are connected.
    pub(super) here: Vec<Row>,
    /// Agents that are connected no more.
    pub(super) left: Vec<AgentId>,
}

/// An agent that is connected to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) agent: AgentId,
    /// The number of its connection: larger than that of any connection that its gateway had heard of when it began.
    pub(super) connection: u64,
    /// Whether it has just entered, and takes the place of its older connections.
    pub(super) is_new: bool,
    pub(super) since: Timestamp,
    pub(super) told: Option<ToldAt>,
    pub(super) acknowledged_at: Option<Timestamp>,
}

impl News {
    /// The same in pieces of as many agents as a report may have. There is one at least.
    pub(super) fn in_pieces(self) -> Vec<Self> {
        let checked = self.checked;
        let (mut here, mut left) = (self.here.into_iter().peekable(), self.left.into_iter().peekable());
        let mut pieces = Vec::new();
        loop {
            let rows: Vec<_> = here.by_ref().take(ROWS_MAX).collect();
            let gone = left.by_ref().take(ROWS_MAX - rows.len()).collect();
            pieces.push(Self { checked: None, here: rows, left: gone });
            if here.peek().is_none() && left.peek().is_none() {
                break;
            }
        }
        // Only with the last piece is all told that the position stands for.
        if let Some(last) = pieces.last_mut() {
            last.checked = checked;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::envelope::MacKey;
    use tallygate_core::id::{AgentId, TEXT_ID_MAX_BYTES, WriterId};
    use tallygate_core::stream::Position;
    use tallygate_core::time::Timestamp;

    use super::super::ToldAt;
    use super::{News, PURPOSE, ROWS_MAX, Report, Row};

    /// An id of the longest kind, which is twice as long in JSON.
    fn longest(number: usize) -> AgentId {
        AgentId::new(format!("{number:0>8}{}", "\"".repeat(TEXT_ID_MAX_BYTES - 8))).unwrap()
    }

    fn row(number: usize) -> Row {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let message = "0199d5f2-0000-7000-8000-000000000000".to_owned();
        let told = Some(ToldAt { message, position: Position::new(u64::MAX), at });
        Row { agent: longest(number), connection: u64::MAX, is_new: false, since: at, told, acknowledged_at: Some(at) }
    }

    #[test]
    fn a_report_of_the_most_agents_with_the_longest_ids_is_read() {
        let news = News { here: (0..ROWS_MAX).map(row).collect(), ..News::default() };
        let gateway = WriterId::new("g".repeat(TEXT_ID_MAX_BYTES)).unwrap();
        let report = Report { gateway, run: u64::MAX, number: u64::MAX, stops: false, news };
        let key = MacKey::new([7; 32]);
        let message = PURPOSE.seal(&report, &key).unwrap();
        assert!(message.len() <= PURPOSE.max_bytes, "{}", message.len());
        assert_eq!(PURPOSE.open::<Report>(&message, &key), Some(report));
    }

    #[test]
    fn what_is_too_much_for_one_report_goes_into_several_and_the_position_into_the_last() {
        let (here, left): (Vec<_>, Vec<_>) =
            ((0..ROWS_MAX + 1).map(row).collect(), (0..ROWS_MAX).map(longest).collect());
        let checked = Some(Position::new(9));
        let pieces = News { checked, here: here.clone(), left: left.clone() }.in_pieces();
        let sizes: Vec<_> = pieces.iter().map(|piece| (piece.here.len(), piece.left.len())).collect();
        assert_eq!(sizes, [(ROWS_MAX, 0), (1, ROWS_MAX - 1), (0, 1)]);
        assert_eq!(pieces.iter().map(|piece| piece.checked).collect::<Vec<_>>(), [None, None, checked]);
        assert_eq!(pieces.iter().flat_map(|piece| piece.here.clone()).collect::<Vec<_>>(), here);
        assert_eq!(pieces.into_iter().flat_map(|piece| piece.left).collect::<Vec<_>>(), left);
        assert_eq!(News::default().in_pieces(), [News::default()], "nothing to say is said too");
    }
}
