//! The single measurements. Each puts a load on one subject and returns what one round of it gave.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::chat::Ask;
use crate::client::Call;
use crate::closed_loop::ClosedLoop;
use crate::gateway::subject::Running;
use crate::open_loop;

/// How each measurement is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The time before it counts.
    pub(crate) warm_up: Duration,
    /// The time that it counts.
    pub(crate) measured: Duration,
    /// Connections of the load.
    pub(crate) connections: usize,
}

/// What a subject did while it was as busy as the load can make it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saturation {
    /// Answers a second.
    pub(crate) per_second: f64,
    /// CPU time of the subject for one answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// The part of a core that the subject used, in percent. Far below 100, the load was the limit.
    pub(crate) busy_percent: f64,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    /// The median.
    pub(crate) p50_us: f64,
    /// What one request in a hundred exceeds.
    pub(crate) p99_us: f64,
}

/// What streams cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    /// As many as the load can make.
    pub(crate) saturation: Saturation,
    /// CPU time of one stream whose chunks come one by one, in milliseconds.
    pub(crate) cpu_ms: f64,
}

/// Resident memory in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Before the first load.
    pub(crate) idle_mib: f64,
    /// After so many requests.
    pub(crate) after_mib: f64,
}

/// The memory before and after so many requests. Comes first: it needs a process that has not worked yet.
///
/// # Errors
/// When the subject is gone.
pub(crate) async fn memory(running: &mut Running, plan: Plan, requests: u64) -> anyhow::Result<Memory> {
    let idle_mib = mib(running.process.resident_bytes()?);
    let call = running.call(Ask::Whole)?;
    ClosedLoop::start(&call, plan.connections, Some(requests), &running.tally).await?.finished().await;
    running.process.check_running()?;
    Ok(Memory { idle_mib, after_mib: mib(running.process.resident_bytes()?) })
}

/// Whole answers, as many as possible.
///
/// # Errors
/// When the subject is gone.
pub(crate) async fn requests(running: &mut Running, plan: Plan) -> anyhow::Result<Saturation> {
    saturation(running, plan, Ask::Whole).await
}

/// Streams, as many as possible, and then at the pace of a model.
///
/// # Errors
/// When the subject is gone.
pub(crate) async fn streams(running: &mut Running, plan: Plan) -> anyhow::Result<Streams> {
    let saturation_of_streams = saturation(running, plan, Ask::Stream).await?;
    let paced = saturation(running, plan, Ask::PacedStream).await?;
    Ok(Streams { saturation: saturation_of_streams, cpu_ms: paced.cpu_us / 1_000.0 })
}

async fn saturation(running: &mut Running, plan: Plan, ask: Ask) -> anyhow::Result<Saturation> {
    let call = running.call(ask)?;
    load(running, plan, &call).await
}

/// One request again and again, as often as possible.
///
/// # Errors
/// When the subject is gone.
pub(crate) async fn load(running: &mut Running, plan: Plan, call: &Call) -> anyhow::Result<Saturation> {
    let load = ClosedLoop::start(call, plan.connections, None, &running.tally).await?;
    tokio::time::sleep(plan.warm_up).await;
    let (begin, cpu_before, answers_before) = (Instant::now(), running.process.cpu_time()?, running.tally.completed());
    tokio::time::sleep(plan.measured).await;
    let (elapsed, cpu_after, answers_after) = (begin.elapsed(), running.process.cpu_time()?, running.tally.completed());
    load.stop().await;
    running.process.check_running()?;
    let answers = (answers_after - answers_before) as f64;
    let cpu = cpu_after.saturating_sub(cpu_before);
    Ok(Saturation {
        per_second: answers / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / answers,
        busy_percent: 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
    })
}

/// The latencies at so many requests a second.
///
/// # Errors
/// When the load cannot be put on, or the subject is gone.
pub(crate) async fn latency(running: &mut Running, plan: Plan, per_second: f64) -> anyhow::Result<Latency> {
    let call = running.call(Ask::Whole)?;
    let plan =
        open_loop::Plan { per_second, connections: plan.connections, warm_up: plan.warm_up, measured: plan.measured };
    let latencies = open_loop::run(&call, plan, &running.tally).await.context("no load at a constant rate")?;
    running.process.check_running()?;
    let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Latency { p50_us: at(0.5), p99_us: at(0.99) })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
