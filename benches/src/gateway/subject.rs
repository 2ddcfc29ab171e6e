//! What is measured, each in a process of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::chat::Ask;
use crate::client::{Call, Connection};
use crate::cores::Placement;
use crate::gateway::setup::Budgets;
use crate::gateway::tallygate;
use crate::process::Process;
use crate::question::Question;
use crate::tally::{Failed, Tally};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Subject {
    /// The simulated upstream, without anything before it.
    Upstream,
    /// The least that a proxy can be.
    BareProxy,
    /// The gateway with everything on.
    Tallygate,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Upstream => "upstream",
            Self::BareProxy => "bare proxy",
            Self::Tallygate => "tallygate",
        })
    }
}

/// A subject that answers.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its process.
    pub(crate) process: Process,
    /// What was asked of it.
    pub(crate) tally: Arc<Tally>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    key: String,
    /// Removed when the process is gone: fields are dropped in this order.
    _folder: Option<tempfile::TempDir>,
}

impl Running {
    /// A subject that listens, and lets `key` in.
    pub(crate) fn new(process: Process, address: SocketAddr, key: String, folder: Option<tempfile::TempDir>) -> Self {
        Self { process, tally: Arc::default(), address, key, _folder: folder }
    }

    /// A request to it.
    ///
    /// # Errors
    /// When its key is no header.
    pub(crate) fn call(&self, ask: Ask) -> anyhow::Result<Call> {
        Call::new(self.address, &self.key, ask).context("the key cannot be sent")
    }

    /// Any question to it.
    ///
    /// # Errors
    /// When its key is no header.
    pub(crate) fn call_with(&self, question: Question) -> anyhow::Result<Call> {
        Call::with(self.address, &self.key, question).context("the key cannot be sent")
    }

    /// One request of each kind, before thousands are sent.
    ///
    /// # Errors
    /// When one fails.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        for ask in [Ask::Whole, Ask::Stream, Ask::PacedStream] {
            let mut connection = Connection::open(self.address).await?;
            connection
                .exchange(&self.call(ask)?)
                .await
                .with_context(|| format!("the first request, {ask:?}, failed"))?;
        }
        Ok(())
    }
}

/// All that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    upstream: Running,
    proxies: BTreeMap<Subject, Running>,
    subjects: Vec<Subject>,
}

impl Stage {
    /// Starts the upstream, and what else is to be measured. `gateway` is the binary of the gateway.
    ///
    /// # Errors
    /// When something does not start, or does not answer as it should.
    pub(crate) async fn set(only: &[Subject], placement: &Placement, gateway: Option<&Path>) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("the path of this program is not known")?;
        let upstream = upstream(&own, placement).await?;
        let address = upstream.address;
        let mut subjects = only.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        let mut proxies = BTreeMap::new();
        for subject in subjects.iter().copied().filter(|subject| *subject != Subject::Upstream) {
            let running = match (subject, gateway) {
                (Subject::Tallygate, Some(binary)) => {
                    tallygate::start(binary, placement, address, Budgets::Usual).await?
                }
                (Subject::Tallygate, None) => bail!("no binary of the gateway"),
                (Subject::BareProxy | Subject::Upstream, _) => bare_proxy(&own, placement, address)?,
            };
            running.check().await.with_context(|| subject.to_string())?;
            proxies.insert(subject, running);
        }
        Ok(Self { upstream, proxies, subjects })
    }

    /// What is measured, in order.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        self.subjects.clone()
    }

    /// What stands between the load and the upstream, in order.
    pub(crate) fn proxies(&self) -> Vec<Subject> {
        self.proxies.keys().copied().collect()
    }

    /// The upstream, whether it is measured or not.
    pub(crate) const fn upstream(&mut self) -> &mut Running {
        &mut self.upstream
    }

    /// All processes.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.upstream).chain(self.proxies.values()).map(|running| &running.process)
    }

    /// What went wrong with the requests to each.
    pub(crate) fn failures(&self) -> Vec<String> {
        let upstream = std::iter::once((Subject::Upstream, &self.upstream));
        let all = upstream.chain(self.proxies.iter().map(|(subject, running)| (*subject, running)));
        all.flat_map(|(subject, running)| {
            let tell = move |(kind, failed): (String, Failed)| {
                format!("{subject}: {} requests {kind}; the first: {}", failed.count, failed.first)
            };
            running.tally.failed().into_iter().map(tell)
        })
        .collect()
    }

    /// One of those that run.
    ///
    /// # Errors
    /// When it was not started.
    pub(crate) fn running(&mut self, subject: Subject) -> anyhow::Result<&mut Running> {
        if subject == Subject::Upstream {
            return Ok(&mut self.upstream);
        }
        self.proxies.get_mut(&subject).with_context(|| format!("{subject} does not run"))
    }
}

/// The simulated upstream, from this very program.
///
/// # Errors
/// When it does not start, or does not answer.
pub(crate) async fn upstream(own: &Path, placement: &Placement) -> anyhow::Result<Running> {
    let mut command = placement.beside_the_load(own);
    let (process, address) = Process::start_server("the upstream", command.arg("upstream"))?;
    let upstream = Running::new(process, address, "sk-none".to_owned(), None);
    upstream.check().await.context("upstream")?;
    Ok(upstream)
}

fn bare_proxy(own: &Path, placement: &Placement, upstream: SocketAddr) -> anyhow::Result<Running> {
    let mut command = placement.under_test(own);
    command.arg("bare-proxy").arg(upstream.to_string());
    let (process, address) = Process::start_server("the bare proxy", &mut command)?;
    Ok(Running::new(process, address, "sk-none".to_owned(), None))
}
