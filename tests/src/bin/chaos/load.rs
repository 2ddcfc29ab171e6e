//! Callers and an operator at work, until the gateway is gone or they are told to stop.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;
use tallygate_tests::gateway::Gateway;
use tokio::task::JoinSet;

use crate::ground::{ask, uuid};

/// What clients heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Requests that were answered whole.
    pub(crate) answered: Vec<String>,
    /// Realms whose registration was acknowledged.
    pub(crate) acknowledged: Vec<String>,
}

/// Clients at work. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    heard: Arc<Mutex<Heard>>,
    tasks: JoinSet<()>,
}

impl Load {
    /// So many callers with a key, and one operator who registers realms.
    pub(crate) fn start(gateway: &Gateway, key: &str, callers: usize) -> Result<Self> {
        let (heard, mut tasks) = (Arc::new(Mutex::new(Heard::default())), JoinSet::new());
        for _ in 0..callers {
            let (caller, heard) = (gateway.caller(key)?, Arc::clone(&heard));
            tasks.spawn(async move {
                while let Ok(answer) = ask(&caller).await {
                    if let Ok(id) = answer {
                        lock(&heard).answered.push(id);
                    }
                }
            });
        }
        let (operator, of_operator) = (gateway.operator()?, Arc::clone(&heard));
        tasks.spawn(async move {
            loop {
                let realm = format!("realm-{}", uuid());
                let body = json!({ "id": uuid(), "type": "RegisterRealm", "data": { "realm": realm } });
                match operator.post("/api/commands", &body).await {
                    Ok(answer) if answer.status == 200 => lock(&of_operator).acknowledged.push(realm),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Ok(Self { heard, tasks })
    }

    /// What was heard, once the gateway is gone and the clients have noticed.
    pub(crate) async fn after_the_end(mut self) -> Heard {
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut lock(&self.heard))
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
