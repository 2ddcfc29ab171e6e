//! The figures of all subjects over all rounds, and the table they make.

use std::collections::BTreeMap;

use crate::chat;
use crate::cores::Placement;
use crate::gateway::Options;
use crate::gateway::phase::{Latency, Memory, Saturation, Streams};
use crate::gateway::subject::Subject;
use crate::report::{Cell, Report, Row, spoilt};
use crate::samples::Samples;

/// Less of a core than this, and the load was busier than the subject.
const BUSY_PERCENT_MIN: f64 = 90.0;

/// The figures of one subject.
#[derive(Debug, Default)]
pub(crate) struct SubjectFigures {
    requests: SaturationSamples,
    streams: SaturationSamples,
    stream_cpu_ms: Samples,
    half_rate: Samples,
    p50_us: Samples,
    p99_us: Samples,
    added_p50_us: Samples,
    added_p99_us: Samples,
    idle_mib: Samples,
    after_mib: Samples,
}

#[derive(Debug, Default)]
struct SaturationSamples {
    per_second: Samples,
    cpu_us: Samples,
    busy_percent: Samples,
}

impl SaturationSamples {
    fn push(&mut self, round: Saturation) {
        self.per_second.push(round.per_second);
        self.cpu_us.push(round.cpu_us);
        self.busy_percent.push(round.busy_percent);
    }
}

impl SubjectFigures {
    /// Takes in a look at the memory.
    pub(crate) fn remember(&mut self, memory: Memory) {
        self.idle_mib.push(memory.idle_mib);
        self.after_mib.push(memory.after_mib);
    }

    /// Takes in a round of requests.
    pub(crate) fn saturated(&mut self, round: Saturation) {
        self.requests.push(round);
    }

    /// Takes in a round of latencies, and those of the upstream alone at the same rate.
    pub(crate) fn delayed(&mut self, through: Latency, direct: Latency) {
        self.p50_us.push(through.p50_us);
        self.p99_us.push(through.p99_us);
        self.added_p50_us.push(through.p50_us - direct.p50_us);
        self.added_p99_us.push(through.p99_us - direct.p99_us);
    }

    /// Takes in a round of streams.
    pub(crate) fn streamed(&mut self, round: Streams) {
        self.streams.push(round.saturation);
        self.stream_cpu_ms.push(round.cpu_ms);
    }

    /// Half of the median of what it can take, the same in every round; none if it took nothing.
    pub(crate) fn half_load(&mut self) -> Option<f64> {
        if self.half_rate.median().is_none() {
            let rate = self.requests.per_second.median().filter(|rate| *rate > 0.0)?;
            self.half_rate = Samples::from(rate / 2.0);
        }
        self.half_rate.median()
    }
}

/// The figures of all subjects.
#[derive(Debug)]
pub(crate) struct Figures {
    subjects: BTreeMap<Subject, SubjectFigures>,
    errors: Vec<String>,
    others_percent: f64,
}

/// A row of the table.
struct Line {
    name: String,
    decimals: usize,
    /// Whether a ratio of two subjects says anything.
    compared: bool,
    samples: fn(&SubjectFigures) -> &Samples,
}

impl Figures {
    /// No figures yet.
    pub(crate) fn of(subjects: Vec<Subject>) -> Self {
        Self {
            subjects: subjects.into_iter().map(|subject| (subject, SubjectFigures::default())).collect(),
            errors: Vec::new(),
            others_percent: 0.0,
        }
    }

    /// Those of one subject.
    pub(crate) fn of_mut(&mut self, subject: Subject) -> &mut SubjectFigures {
        self.subjects.entry(subject).or_default()
    }

    /// Takes in what failed, and which part of the cores others used meanwhile.
    pub(crate) fn conclude(&mut self, errors: Vec<String>, others_percent: f64) {
        self.errors = errors;
        self.others_percent = others_percent;
    }

    /// The table.
    pub(crate) fn report(self, options: &Options, placement: &Placement) -> Report {
        Report {
            title: "Tallygate beside a bare reverse proxy and their upstream".to_owned(),
            setting: setting(options, placement, self.others_percent),
            columns: self.columns(),
            rows: lines(options).into_iter().map(|line| self.row(line)).collect(),
            notes: self.notes(),
            errors: self.errors,
        }
    }

    fn columns(&self) -> Vec<String> {
        let subjects = self.subjects.keys().map(ToString::to_string);
        subjects.chain(self.compared().map(|_| format!("{} ÷ {}", Subject::Tallygate, Subject::BareProxy))).collect()
    }

    fn row(&self, line: Line) -> Row {
        let cells = self.subjects.values().map(|of| Cell::Measured((line.samples)(of).clone()));
        let ratio = self.compared().map(|(gateway, bare)| match line.compared {
            true => Cell::ratio((line.samples)(gateway), (line.samples)(bare)),
            false => Cell::Empty,
        });
        Row { figure: line.name, decimals: line.decimals, cells: cells.chain(ratio).collect() }
    }

    fn compared(&self) -> Option<(&SubjectFigures, &SubjectFigures)> {
        self.subjects.get(&Subject::Tallygate).zip(self.subjects.get(&Subject::BareProxy))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "± is half the distance between the smallest and the largest round. Added latency is the difference to the \
             upstream alone at the same rate; latency counts from when a request was due."
                .to_owned(),
        ];
        for (subject, of) in self.subjects.iter().filter(|(subject, _)| **subject != Subject::Upstream) {
            for (what, samples) in [("requests", &of.requests), ("streams", &of.streams)] {
                if samples.busy_percent.median().is_some_and(|busy| busy < BUSY_PERCENT_MIN) {
                    notes.push(format!(
                        "{subject}: its core was not full; {what}/s show the limit of the load, or of a busy machine, not its own."
                    ));
                }
            }
        }
        notes.extend(spoilt(self.others_percent, "Memory holds, CPU times nearly; rates and latencies do not."));
        notes
    }
}

fn lines(options: &Options) -> Vec<Line> {
    fn line(name: impl Into<String>, decimals: usize, samples: fn(&SubjectFigures) -> &Samples) -> Line {
        Line { name: name.into(), decimals, compared: true, samples }
    }
    fn alone(line: Line) -> Line {
        Line { compared: false, ..line }
    }
    vec![
        line("requests/s", 0, |of| &of.requests.per_second),
        line("CPU of a request, µs", 1, |of| &of.requests.cpu_us),
        alone(line("core busy with requests, %", 0, |of| &of.requests.busy_percent)),
        alone(line("half load: offered requests/s", 0, |of| &of.half_rate)),
        line("half load: latency p50, µs", 0, |of| &of.p50_us),
        line("half load: latency p99, µs", 0, |of| &of.p99_us),
        line("half load: added p50, µs", 0, |of| &of.added_p50_us),
        line("half load: added p99, µs", 0, |of| &of.added_p99_us),
        line(format!("streams/s, {} chunks each", chat::CHUNKS), 0, |of| &of.streams.per_second),
        alone(line("core busy with streams, %", 0, |of| &of.streams.busy_percent)),
        line("CPU of a paced stream, ms", 3, |of| &of.stream_cpu_ms),
        line("memory idle, MiB", 1, |of| &of.idle_mib),
        line(format!("memory after {} requests, MiB", options.memory_requests), 1, |of| &of.after_mib),
    ]
}

fn setting(options: &Options, placement: &Placement, others_percent: f64) -> Vec<String> {
    let cores = placement.told("Process under test");
    let load = format!(
        "{} connections, request bodies of {} bytes; medians of {} rounds, {} s a measurement.",
        options.connections,
        chat::REQUEST_BYTES,
        options.rounds,
        options.seconds
    );
    vec![cores, load, format!("Others used {others_percent:.0} % of these cores meanwhile.")]
}
