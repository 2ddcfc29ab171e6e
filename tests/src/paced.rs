//! Load at a steady pace, whatever comes back: what a rate limit is measured with.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Client;

/// The most calls that may be under way; the pace slows down beyond.
const UNDER_WAY_MAX: usize = 64;

/// How fast, and how often: on a slow machine it takes longer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Calls a second.
    pub per_second: u32,
    /// So many calls.
    pub calls: u32,
}

impl Pace {
    /// Sends a chat request again and again. Tells how many were served; the others were refused for a rate limit.
    ///
    /// # Errors
    /// When one is answered with anything else than 200 or 429.
    pub async fn load(self, caller: Client, body: Value) -> Result<u64> {
        let (mut calls, mut served) = (JoinSet::new(), 0);
        let mut tick = interval(Duration::from_secs(1) / self.per_second.max(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..self.calls {
            tick.tick().await;
            if calls.len() >= UNDER_WAY_MAX {
                served += ended(&mut calls).await?;
            }
            let (caller, body) = (caller.clone(), body.clone());
            calls.spawn(async move { Ok(caller.post("/v1/chat/completions", &body).await?.status) });
        }
        while !calls.is_empty() {
            served += ended(&mut calls).await?;
        }
        Ok(served)
    }
}

/// Waits for one call. One if it was served.
async fn ended(calls: &mut JoinSet<Result<u16>>) -> Result<u64> {
    match calls.join_next().await {
        Some(status) => match status?? {
            200 => Ok(1),
            429 => Ok(0),
            other => bail!("a call was answered with {other}"),
        },
        None => Ok(0),
    }
}
