//! `verify`: every line of the three logs, with nothing but the log and, if it is known, the gateways' key.
//!
//! Checked are: each line's form and length, its log, chain and position (no gap), `prev` against the SHA-256 of the
//! line before, the MAC, the number within its stream, that commands are whole, that ids are unique, and that this
//! version can read the event.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde_json::{Value, json};
use tallygate_core::envelope::{Envelope, Fault, LINE_MAX_BYTES, Line, MacKey};
use tallygate_core::event::Recorded;
use tallygate_core::id::EventId;
use tallygate_core::stream::{ChainId, Head, Log, Offset, StreamId};

use crate::lines;
use crate::report::Report;
use crate::source::Source;

/// Checks the three logs.
///
/// # Errors
/// When a log cannot be read at all.
pub(crate) async fn run(source: &Source) -> anyhow::Result<Report> {
    let mut report = Report { json: json!({ "mac_checked": source.mac.is_some() }), ..Report::default() };
    if source.mac.is_none() {
        report.text.push("the gateways' secret is not known: MACs are not checked".to_owned());
    }
    for log in [Log::Control, Log::Lease, Log::Activity] {
        let mut audit = Audit::new(log, source.mac.as_ref());
        let read = lines::for_each(source.log(log), |offset, line| audit.take(offset, line)).await;
        let wrong = match read {
            Ok(()) => audit.wrong.take().or_else(|| audit.unfinished()),
            Err(error) => Some(chain(&error)),
        };
        report.text.push(audit.text());
        report.json[log.name()] = audit.json();
        if let Some(wrong) = wrong {
            report.wrong = Some(format!("{log}: {wrong}"));
            return Ok(report);
        }
    }
    report.text.push("all is well".to_owned());
    Ok(report)
}

/// What is known of a log so far.
struct Audit<'a> {
    log: Log,
    mac: Option<&'a MacKey>,
    heads: HashMap<ChainId, Head>,
    versions: HashMap<StreamId, u64>,
    ids: HashSet<EventId>,
    /// The part of a command that was read last, by chain.
    parts: HashMap<ChainId, (u16, u16)>,
    lines: u64,
    undecodable: u64,
    wrong: Option<String>,
}

impl<'a> Audit<'a> {
    fn new(log: Log, mac: Option<&'a MacKey>) -> Self {
        Self {
            log,
            mac,
            heads: HashMap::new(),
            versions: HashMap::new(),
            ids: HashSet::new(),
            parts: HashMap::new(),
            lines: 0,
            undecodable: 0,
            wrong: None,
        }
    }

    fn take(&mut self, offset: Offset, line: &Line) -> ControlFlow<()> {
        match self.check(line) {
            Ok(()) => {
                self.lines += 1;
                ControlFlow::Continue(())
            }
            Err(what) => {
                self.wrong = Some(format!("offset {offset}: {what}"));
                ControlFlow::Break(())
            }
        }
    }

    fn check(&mut self, line: &Line) -> Result<(), String> {
        if line.bytes().len() > LINE_MAX_BYTES {
            return Err(format!("the line has more than {LINE_MAX_BYTES} bytes"));
        }
        let stated = line.envelope().map_err(|fault| fault.to_string())?;
        let chain = ChainId::of(stated.log, &stated.stream);
        let head = self.heads.get(&chain).copied().unwrap_or(Head::EMPTY);
        let named = |fault: Fault| format!("position {} of chain `{chain}`: {fault}", head.position.plus(1));
        let (envelope, next) = line.check(self.log, &chain, &head, self.mac).map_err(named)?;
        self.check_numbers(&chain, &envelope)?;
        if Recorded::decode(&envelope).is_err() {
            self.undecodable += 1;
        }
        self.heads.insert(chain, next);
        Ok(())
    }

    fn check_numbers(&mut self, chain: &ChainId, envelope: &Envelope<'_>) -> Result<(), String> {
        let place = format!("position {} of chain `{chain}`", envelope.position);
        let version = self.versions.entry(envelope.stream.clone()).or_default();
        if envelope.version != *version + 1 {
            return Err(format!(
                "{place}: event {} of the stream `{}` follows event {version}",
                envelope.version, envelope.stream
            ));
        }
        *version = envelope.version;
        let (part, parts) = envelope.part;
        let expected = match self.parts.get(chain) {
            Some((before, of)) if before < of => (before + 1, *of),
            _ => (1, parts),
        };
        if (part, parts) != expected || part == 0 {
            return Err(format!(
                "{place}: part {part} of {parts} of a command stands where part {} of {} must",
                expected.0, expected.1
            ));
        }
        self.parts.insert(chain.clone(), envelope.part);
        if !self.ids.insert(envelope.id) {
            return Err(format!("{place}: the event {} is there twice", envelope.id));
        }
        Ok(())
    }

    /// A command whose last parts are missing at the end of the log.
    fn unfinished(&self) -> Option<String> {
        let (chain, (part, parts)) = self.parts.iter().find(|(_, (part, parts))| part < parts)?;
        Some(format!("chain `{chain}` ends with part {part} of {parts} of a command"))
    }

    fn text(&self) -> String {
        let heads: Vec<String> =
            self.heads.iter().map(|(chain, head)| format!("; {chain} at {} ({})", head.position, head.hash)).collect();
        let undecodable = match self.undecodable {
            0 => String::new(),
            count => format!(", {count} of types or schemas that this version cannot read"),
        };
        format!("{}: {} events, {} streams{undecodable}{}", self.log, self.lines, self.versions.len(), heads.concat())
    }

    fn json(&self) -> Value {
        let heads: serde_json::Map<String, Value> =
            self.heads.iter().map(|(chain, head)| (chain.to_string(), json!(head))).collect();
        json!({ "events": self.lines, "streams": self.versions.len(), "undecodable": self.undecodable, "heads": heads })
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
