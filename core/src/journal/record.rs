//! What a payload says. Numbers are little-endian; texts and lists have their length before them.

use std::borrow::Cow;

use crate::id::{RequestId, WriterId};
use crate::lease::{AccountId, Epoch, Root};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};
use uuid::Uuid;

/// The version of the format.
pub const FORMAT: u16 = 1;
/// The most accounts of one hold: eight limits of a key, eight realms and the gateway each.
pub const PARTS_MAX: usize = 80;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// The first of a segment.
    Begun {
        /// Whose journal it is.
        gateway: WriterId,
        /// The number of the process's run. Each run has a larger one.
        run: u64,
        /// The number of the segment within the run, from 0.
        segment: u32,
        /// The checksum that the segment before it in the run ended with; zero for the first.
        previous: u32,
        /// The boot of the machine: what was written and not synced survives the process, and not the machine.
        host: &'a str,
    },
    /// The gateway takes part in a chain from now on.
    Joined {
        /// The root of the chain.
        root: Root,
        /// The epoch.
        epoch: Epoch,
    },
    /// An account that other records call by its number.
    Account {
        /// The number.
        serial: u32,
        /// The root of its chain.
        root: Root,
        /// The epoch whose slice it is.
        epoch: Epoch,
        /// The account.
        account: AccountId,
    },
    /// What an account came to before this segment.
    Total {
        /// The account.
        serial: u32,
        /// Settled under its epoch, ever.
        spent: NanoUsd,
        /// Put into suspense under its epoch, ever.
        suspended: NanoUsd,
    },
    /// Money is held; the request may be sent once this is written. A later segment says it again while it is held.
    Held {
        /// The hold's number in its run.
        number: u64,
        /// The request.
        request: RequestId,
        /// How much, on each account.
        amount: NanoUsd,
        /// The accounts.
        serials: Cow<'a, [u32]>,
    },
    /// A hold ended by what the request cost; with the record of activity that says so.
    Settled {
        /// The hold's number.
        number: u64,
        /// The cost, on each account.
        cost: NanoUsd,
        /// The accounts.
        serials: Cow<'a, [u32]>,
        /// The place that the record will have in the writer's chain.
        position: Position,
        /// The record.
        activity: &'a [u8],
    },
    /// A hold ended, and nothing was spent.
    Released {
        /// The hold's number.
        number: u64,
    },
    /// A hold ended, and nobody knows how: so much is thought to be spent, and the rest of what was held is in suspense.
    /// With the record of activity that says so.
    Suspended {
        /// The hold's number.
        number: u64,
        /// What counts as spent, on each account.
        cost: NanoUsd,
        /// What is in suspense, on each account.
        rest: NanoUsd,
        /// The accounts.
        serials: Cow<'a, [u32]>,
        /// The place that the record will have in the writer's chain.
        position: Position,
        /// The record.
        activity: &'a [u8],
    },
    /// Something else happened that the activity log must say.
    Happened {
        /// The place that the record will have in the writer's chain.
        position: Position,
        /// The record.
        activity: &'a [u8],
    },
    /// The run ended in good order, after the last record.
    Ended,
}

/// A payload that is whole and says nothing that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the journal cannot be read by this version")]
pub struct Unreadable;

impl<'a> Record<'a> {
    /// Appends the payload to some bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        match self {
            Self::Begun { gateway, run, segment, previous, host } => {
                out.byte(0)
                    .number(FORMAT.into())
                    .text(gateway.as_str())
                    .number(*run)
                    .number((*segment).into())
                    .number((*previous).into())
                    .text(host);
            }
            Self::Account { serial, root, epoch, account } => {
                out.byte(1).number((*serial).into()).text(&root.to_string()).number(epoch.get()).account(account);
            }
            Self::Total { serial, spent, suspended } => {
                out.byte(2).number((*serial).into()).amount(*spent).amount(*suspended);
            }
            Self::Held { number, request, amount, serials } => {
                out.byte(3).number(*number).bytes(request.as_uuid().as_bytes()).amount(*amount).serials(serials);
            }
            Self::Settled { number, cost, serials, position, activity } => {
                out.byte(4).number(*number).amount(*cost).serials(serials).number(position.get()).bytes(activity);
            }
            Self::Released { number } => drop(out.byte(5).number(*number)),
            Self::Suspended { number, cost, rest, serials, position, activity } => {
                out.byte(6).number(*number).amount(*cost).amount(*rest).serials(serials);
                out.number(position.get()).bytes(activity);
            }
            Self::Happened { position, activity } => drop(out.byte(7).number(position.get()).bytes(activity)),
            Self::Ended => drop(out.byte(8)),
            Self::Joined { root, epoch } => drop(out.byte(9).text(&root.to_string()).number(epoch.get())),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Unreadable`] for anything that was not written by [`Record::write`] of this version.
    pub fn read(payload: &'a [u8]) -> Result<Self, Unreadable> {
        let mut payload = Reader(payload);
        let record = Self::parse(&mut payload).ok_or(Unreadable)?;
        if payload.0.is_empty() { Ok(record) } else { Err(Unreadable) }
    }

    fn parse(payload: &mut Reader<'a>) -> Option<Self> {
        Some(match payload.byte()? {
            0 => {
                if payload.number()? != u64::from(FORMAT) {
                    return None;
                }
                let gateway = payload.text()?.parse().ok()?;
                Self::Begun {
                    gateway,
                    run: payload.number()?,
                    segment: payload.serial()?,
                    previous: payload.serial()?,
                    host: payload.text()?,
                }
            }
            1 => Self::Account {
                serial: payload.serial()?,
                root: payload.text()?.parse().ok()?,
                epoch: Epoch::new(payload.number()?),
                account: payload.account()?,
            },
            2 => Self::Total { serial: payload.serial()?, spent: payload.amount()?, suspended: payload.amount()? },
            3 => Self::Held {
                number: payload.number()?,
                request: RequestId::new(Uuid::from_slice(payload.bytes()?).ok()?),
                amount: payload.amount()?,
                serials: payload.serials()?,
            },
            4 => Self::Settled {
                number: payload.number()?,
                cost: payload.amount()?,
                serials: payload.serials()?,
                position: Position::new(payload.number()?),
                activity: payload.bytes()?,
            },
            5 => Self::Released { number: payload.number()? },
            6 => Self::Suspended {
                number: payload.number()?,
                cost: payload.amount()?,
                rest: payload.amount()?,
                serials: payload.serials()?,
                position: Position::new(payload.number()?),
                activity: payload.bytes()?,
            },
            7 => Self::Happened { position: Position::new(payload.number()?), activity: payload.bytes()? },
            8 => Self::Ended,
            9 => Self::Joined { root: payload.text()?.parse().ok()?, epoch: Epoch::new(payload.number()?) },
            _ => return None,
        })
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn amount(&mut self, amount: NanoUsd) -> &mut Self {
        self.0.extend_from_slice(&amount.nano().to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn serials(&mut self, serials: &[u32]) -> &mut Self {
        self.byte(u8::try_from(serials.len()).unwrap_or(u8::MAX));
        serials.iter().for_each(|serial| self.0.extend_from_slice(&serial.to_le_bytes()));
        self
    }

    fn account(&mut self, account: &AccountId) -> &mut Self {
        let (kind, length) = match account.period {
            Period::Total => (0, 0),
            Period::Seconds(seconds) => (1, seconds),
            Period::Months(months) => (2, months.into()),
        };
        self.text(&account.scope.to_string()).byte(kind).number(length);
        self.0.extend_from_slice(&account.window.millis().to_le_bytes());
        self
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn serial(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn signed(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn amount(&mut self) -> Option<NanoUsd> {
        self.signed().map(NanoUsd::new)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn serials(&mut self) -> Option<Cow<'a, [u32]>> {
        let count = usize::from(self.byte()?);
        let bytes = self.take(count * 4)?;
        let (serials, rest) = bytes.as_chunks::<4>();
        (rest.is_empty() && count <= PARTS_MAX)
            .then(|| serials.iter().map(|serial| u32::from_le_bytes(*serial)).collect())
    }

    fn account(&mut self) -> Option<AccountId> {
        let scope: Scope = self.text()?.parse().ok()?;
        let period = match (self.byte()?, self.number()?) {
            (0, 0) => Period::Total,
            (1, seconds) => Period::Seconds(seconds),
            (2, months) => Period::Months(u32::try_from(months).ok()?),
            _ => return None,
        };
        Some(AccountId { scope, period, window: Timestamp::from_millis(self.signed()?) })
    }
}
