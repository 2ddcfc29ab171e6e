//! A disk that fills up under load and is freed again, over and over.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::small_disk::SmallDisk;

use crate::Options;
use crate::figures::Figures;
use crate::ground::{self, ask, lost, uuid, verifies};

const ROUNDS: usize = 10;
/// A full disk must be told of so soon.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// As many commands as certainly do not fit once it is full.
const COMMANDS_MAX: usize = 200;

/// Whoever has not recovered by then does not.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

async fn register_realm(operator: &Client, realm: &str) -> Result<Answer> {
    let body = json!({ "id": uuid(), "type": "RegisterRealm", "data": { "realm": realm } });
    operator.post("/api/commands", &body).await
}

/// Whether commands are carried out again, soon after there is room.
async fn recovers(operator: &Client, realm: &str, freed: Instant) -> Result<bool> {
    while freed.elapsed() < RECOVERY_MAX {
        if register_realm(operator, realm).await?.status == 200 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else {
        figures.told("NOT RUN", "only root may mount a small file system");
        return Ok(());
    };
    let (data, upstream) = (disk.path().join("data"), ground::upstream().await?);
    std::fs::create_dir(&data)?;
    let setup = options.gateway().data(&data);
    let mut gateway = setup.clone().start().await?;
    ground::register(&gateway, &upstream).await?;
    let key = ground::key(&gateway, None).await?;
    let (mut acknowledged, mut slow, mut unanswered, mut stuck) = (Vec::new(), Vec::new(), 0, 0);
    let mut recoveries = Vec::new();
    for round in 0..options.rounds(ROUNDS) {
        let (caller, operator) = (gateway.caller(&key)?, gateway.operator()?);
        let filling = disk.fill()?;
        for number in 0..COMMANDS_MAX {
            let (realm, asked) = (format!("realm-{round}-{number}"), Instant::now());
            if register_realm(&operator, &realm).await?.status != 200 {
                slow.push(asked.elapsed());
                break;
            }
            acknowledged.push(realm);
        }
        unanswered += usize::from(ask(&caller).await?.is_err());
        std::fs::remove_file(filling)?;
        let (realm, freed) = (format!("realm-{round}-freed"), Instant::now());
        if !recovers(&operator, &realm, freed).await? {
            // Its operator would have to start it again.
            stuck += 1;
            gateway = gateway.kill_and_restart().await?;
            register_realm(&gateway.operator()?, &realm).await?.expect(200)?;
        }
        recoveries.push(freed.elapsed());
        acknowledged.push(realm);
    }
    gateway.shut_down().await?;
    figures.told("commands acknowledged", acknowledged.len());
    figures.none("events lost", lost(&data, &acknowledged)?);
    figures.none("starts needed once there was room", stuck);
    figures.none("requests refused while the disk was full", unanswered);
    // Whoever answers before it has appended refuses none.
    figures.holds("commands were refused while the disk was full", !slow.is_empty());
    figures.at_most("longest refusal of a command", slow.into_iter().max().unwrap_or_default(), REFUSED_WITHIN);
    figures.holds("the log verifies", verifies(&data).await?);
    figures.times("time to recover once there is room", &mut recoveries);
    Ok(())
}
