//! The callers: each asks until its budget is used up. Some leave before the head of an answer, within it, or after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::money::Money;
use crate::dice::Dice;
use crate::ground::chat;

pub(crate) const CALLERS: usize = 1_000;
/// So many requests in a hundred are left by their callers.
const LEAVE_IN_100: u64 = 30;
const STREAMS_IN_100: u64 = 60;
/// The latest that a caller leaves before the head of its answer, in milliseconds.
const LEAVES_WITHIN_MS: u64 = 300;
/// A caller that was not served for so long goes home.
const PATIENCE: Duration = Duration::from_secs(20);
/// A gateway that served nobody for so long has nothing left: longer than a slice may be idle elsewhere.
const DRY: Duration = Duration::from_secs(12);

const CHAT: &str = "/v1/chat/completions";
/// The header with the stable code of an error.
const CODE: &str = "x-tallygate-error";
/// The status of a budget that is used up.
const USED_UP: u16 = 422;

/// What callers met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) left: usize,
    pub(crate) failed: usize,
    /// Refusals that may pass, by their code.
    pub(crate) later: BTreeMap<String, usize>,
}

/// What became of one request.
enum End {
    Served,
    Left,
    Failed,
    UsedUp,
    Later(String),
}

/// Lets the crowd in.
pub(crate) async fn call(gateways: &[Gateway], money: &Money, seed: u64) -> Result<Met> {
    let clients = clients(gateways, money)?;
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let client = clients.get(number % clients.len()).context("no clients")?.clone();
        let dice = Dice::new(seed ^ (u64::try_from(number)? << 32));
        callers.spawn(one(client, dice, format!("{seed}-{number}")));
    }
    let mut met = Met::default();
    while let Some(one) = callers.join_next().await {
        let one = one?;
        met.left += one.left;
        met.failed += one.failed;
        one.later.into_iter().for_each(|(code, count)| *met.later.entry(code).or_default() += count);
    }
    Ok(met)
}

/// Spends what is left, with every key on every gateway, until all say that it is used up.
pub(crate) async fn drain(gateways: &[Gateway], money: &Money, seed: u64) -> Result<()> {
    let mut callers = JoinSet::new();
    for (number, client) in clients(gateways, money)?.into_iter().enumerate() {
        callers.spawn(async move {
            let mut served = Instant::now();
            for turn in 0_usize.. {
                match whole(&client, &asking(&format!("{seed}-drain-{number}-{turn}"), false)).await {
                    End::Served | End::Failed => served = Instant::now(),
                    End::UsedUp => return,
                    End::Left | End::Later(_) if served.elapsed() > DRY => return,
                    End::Left | End::Later(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended?;
    }
    Ok(())
}

/// One of each key and gateway.
fn clients(gateways: &[Gateway], money: &Money) -> Result<Vec<Client>> {
    money.keys.iter().flat_map(|key| gateways.iter().map(|gateway| gateway.caller(&key.secret))).collect()
}

async fn one(client: Client, mut dice: Dice, name: String) -> Met {
    let (mut met, mut served) = (Met::default(), Instant::now());
    for turn in 0_usize.. {
        let streams = dice.below(100) < STREAMS_IN_100;
        let body = asking(&format!("{name}-{turn}"), streams);
        let leaves = (dice.below(100) < LEAVE_IN_100).then(|| (dice.below(3), dice.below(LEAVES_WITHIN_MS)));
        let end = match leaves {
            Some((0, ms)) => {
                let ended = timeout(Duration::from_millis(ms), whole(&client, &body)).await;
                ended.unwrap_or(End::Left)
            }
            Some((moment, number)) => within(&client, &body, (moment == 1).then_some(number % 10)).await,
            None => whole(&client, &body).await,
        };
        match end {
            End::Served => served = Instant::now(),
            End::Left => met.left += 1,
            End::Failed => met.failed += 1,
            End::UsedUp => break,
            End::Later(_) if served.elapsed() > PATIENCE => break,
            End::Later(code) => {
                *met.later.entry(code).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(20 + dice.below(80))).await;
            }
        }
    }
    met
}

/// A request that names its end user, by which the provider's bill and the books know it.
fn asking(user: &str, streams: bool) -> Value {
    let mut body = chat();
    body["user"] = json!(user);
    if streams {
        body["stream"] = json!(true);
    }
    body
}

/// Reads the answer to its end.
async fn whole(client: &Client, body: &Value) -> End {
    match client.post(CHAT, body).await {
        Ok(answer) => judged(answer.status, answer.header(CODE)),
        Err(_) => End::Failed,
    }
}

/// Leaves after so many events, or else as soon as the head is there.
async fn within(client: &Client, body: &Value, events: Option<u64>) -> End {
    let Ok(mut answer) = client.stream(CHAT, body).await else { return End::Failed };
    if answer.status != 200 {
        return judged(answer.status, None);
    }
    for _ in 0..events.unwrap_or_default() {
        if !matches!(answer.next().await, Ok(Some(_))) {
            break;
        }
    }
    End::Left
}

fn judged(status: u16, code: Option<&str>) -> End {
    match status {
        200 => End::Served,
        USED_UP => End::UsedUp,
        401 | 503 => End::Later(code.unwrap_or_default().to_owned()),
        _ => End::Failed,
    }
}
