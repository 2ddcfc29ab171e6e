//! The bench `translation`: streams of a hundred chunks through one gateway, passed on to clients that speak as the upstream
//! does and translated for those that do not. The four take turns, so that whatever else the machine does falls on all.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::value_parser;

use crate::chat::{self, Ask};
use crate::client::Call;
use crate::cores::Placement;
use crate::gateway::phase::{self, Plan};
use crate::gateway::setup::Budgets;
use crate::gateway::subject::{self, Running};
use crate::gateway::{parse_cores, progress, tallygate};
use crate::machine::Work;
use crate::messages;
use crate::question::Question;
use crate::report::{Cell, Report, Row, spoilt};
use crate::samples::Samples;

/// How a run is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement, after a warm-up of one.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Connections of the load. Each makes ten streams a second; more than the core can take would no longer be paced.
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..=400))]
    connections: u32,
    /// The core under test and the core of the upstream and the load; by default the first two that may be used.
    #[arg(long, value_name = "TEST,LOAD", value_parser = parse_cores)]
    cores: Option<(usize, usize)>,
    /// The gateway's binary; by default it is built from this workspace.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// The way of a stream: from the dialect of its upstream to that of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ChatPassed,
    ChatToMessages,
    MessagesPassed,
    MessagesToChat,
}

impl Way {
    /// What is passed on stands before what is translated from the same upstream.
    const ALL: [Self; 4] = [Self::ChatPassed, Self::ChatToMessages, Self::MessagesPassed, Self::MessagesToChat];

    fn question(self) -> Question {
        let chat = |model| Question { body: Ask::PacedStream.body(model), ..Ask::PacedStream.question() };
        match self {
            Self::ChatPassed => chat(chat::MODEL),
            Self::ChatToMessages => messages::question(chat::MODEL),
            Self::MessagesPassed => messages::question(messages::MODEL),
            Self::MessagesToChat => chat(messages::MODEL),
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::ChatPassed => "chat passed on",
            Self::ChatToMessages => "chat to messages",
            Self::MessagesPassed => "messages passed on",
            Self::MessagesToChat => "messages to chat",
        }
    }
}

/// What came out, for each way in turn.
#[derive(Debug, Default)]
struct Found {
    cpu_ms: [Samples; 4],
    busy_percent: [Samples; 4],
    errors: Vec<String>,
    others_percent: f64,
}

/// Makes a run. It ends the processes that it starts, also when it is interrupted.
///
/// # Errors
/// When something cannot be started or set up, or ends in between. Requests that fail are in the report.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    // Built before this process is pinned: the compiler may use all cores.
    let binary = options.binary.clone().map_or_else(tallygate::build, Ok)?;
    let placement = Placement::take(options.cores)?;
    let own = std::env::current_exe().context("the path of this program is not known")?;
    let work = async {
        let upstream = subject::upstream(&own, &placement).await?;
        let mut gateway = tallygate::start(&binary, &placement, upstream.address, Budgets::Usual).await?;
        let before = Work::so_far(&placement.cores(), [&upstream.process, &gateway.process].into_iter())?;
        let mut found = measure(&mut gateway, options).await?;
        let processes = [&upstream.process, &gateway.process].into_iter();
        found.others_percent = Work::so_far(&placement.cores(), processes)?.others_percent_since(&before);
        found.errors = failures(&gateway);
        Ok(found)
    };
    let time_limit = Duration::from_secs(300) + Duration::from_secs(options.seconds + 1) * options.rounds * 12;
    Ok(crate::block_on_for(time_limit, work)?.report(options, &placement))
}

async fn measure(gateway: &mut Running, options: &Options) -> anyhow::Result<Found> {
    let plan = Plan {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(options.seconds),
        connections: options.connections as usize,
    };
    let calls: Vec<Call> = Way::ALL.iter().map(|way| gateway.call_with(way.question())).collect::<Result<_, _>>()?;
    let mut found = Found::default();
    for round in 1..=options.rounds {
        for ((way, call), (cpu_ms, busy_percent)) in
            Way::ALL.iter().zip(&calls).zip(found.cpu_ms.iter_mut().zip(&mut found.busy_percent))
        {
            progress(&format!("round {round} of {}: {}", options.rounds, way.column()));
            let streams = phase::load(gateway, plan, call).await?;
            cpu_ms.push(streams.cpu_us / 1_000.0);
            busy_percent.push(streams.busy_percent);
        }
    }
    Ok(found)
}

fn failures(gateway: &Running) -> Vec<String> {
    let tell = |(kind, failed): (String, crate::tally::Failed)| {
        format!("{} requests {kind}; the first: {}", failed.count, failed.first)
    };
    gateway.tally.failed().into_iter().map(tell).collect()
}

impl Found {
    fn report(self, options: &Options, placement: &Placement) -> Report {
        let [chat, chat_to_messages, messages, messages_to_chat] = &self.cpu_ms;
        let ratios = vec![
            Cell::Empty,
            Cell::ratio(chat_to_messages, chat),
            Cell::Empty,
            Cell::ratio(messages_to_chat, messages),
        ];
        let measured = |samples: &[Samples; 4]| samples.iter().cloned().map(Cell::Measured).collect();
        let row = |figure: &str, decimals, cells| Row { figure: figure.to_owned(), decimals, cells };
        let rows = vec![
            row("CPU of a stream, ms", 3, measured(&self.cpu_ms)),
            row("÷ passed on from the same upstream", 2, ratios),
            row("core busy, %", 0, measured(&self.busy_percent)),
        ];
        let load = format!(
            "{} connections, a chunk a millisecond in each; medians of {} rounds, {} s a measurement. Others used {:.0} % of \
             these cores.",
            options.connections, options.rounds, options.seconds, self.others_percent
        );
        let mut notes = vec![
            "± is half the distance between the smallest and the largest round. Chat is OpenAI's dialect, messages is \
             Anthropic's."
                .to_owned(),
        ];
        notes.extend(spoilt(self.others_percent, "CPU times hold nearly."));
        Report {
            title: "A stream of 100 chunks through the gateway: passed on and translated".to_owned(),
            setting: vec![placement.told("Gateway"), load],
            columns: Way::ALL.map(|way| way.column().to_owned()).to_vec(),
            rows,
            notes,
            errors: self.errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Way;
    use crate::chat::Ask;

    #[test]
    fn every_way_asks_for_a_paced_stream_of_a_model_of_its_own_upstream() {
        for (way, path, model) in [
            (Way::ChatPassed, "/v1/chat/completions", "bench-chat"),
            (Way::ChatToMessages, "/v1/messages", "bench-chat"),
            (Way::MessagesPassed, "/v1/messages", "bench-messages"),
            (Way::MessagesToChat, "/v1/chat/completions", "bench-messages"),
        ] {
            let question = way.question();
            let body: serde_json::Value = serde_json::from_slice(&question.body).unwrap();
            assert_eq!((question.path, body["model"].as_str()), (path, Some(model)), "{way:?}");
            assert_eq!(Ask::of(&question.body), Ask::PacedStream, "{way:?}");
        }
    }
}
