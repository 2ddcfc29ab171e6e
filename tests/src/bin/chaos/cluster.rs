//! Three gateways on three NATS servers, each way between them a link that can be cut, and a nemesis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::lossy_link::LossyLink;
use tallygate_tests::nats_server::NatsCluster;
use tallygate_tests::upstream::Upstream;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Options;
use crate::dice::Dice;
use crate::figures::Figures;
use crate::ground::{self, ask, uuid};

const SERVERS: usize = 3;
const GATEWAYS: usize = 3;
const ROUNDS: usize = 10;
/// The kinds of faults.
const FAULTS: usize = 5;
const CALLERS: usize = 9;
/// What the budget pays for, in requests.
const BUDGET: u64 = 8_000;
/// How long an operator waits for an answer: a gateway that is paused gives none.
const OPERATOR_PATIENCE: Duration = Duration::from_secs(3);
/// What it pays for in a control, where no fault is waited out for long.
const BUDGET_OF_CONTROL: u64 = 1_500;
/// Callers take their time, so that there is money left until the last fault.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(30);
const SECRET: &str = "the-secret-of-all-gateways-of-the-chaos";
/// How long a fault lasts, and the calm after it.
const FAULT: Duration = Duration::from_millis(1_500);
const CALM: Duration = Duration::from_millis(1_000);
/// All gateways and servers must be well again so soon after a fault has ended.
const RECOVERY_GOAL: Duration = Duration::from_secs(20);
/// How long it is waited for.
const RECOVERY_MAX: Duration = Duration::from_secs(60);
/// After the last faults the budget must be used up within this.
const DRAIN: Duration = Duration::from_secs(60);
/// A gateway that refused for so long has nothing left.
const DRY: Duration = Duration::from_secs(8);

/// Servers, links and gateways.
pub(crate) struct Cluster {
    servers: NatsCluster,
    /// The links of each gateway, one to each server.
    links: Vec<Vec<LossyLink>>,
    setups: Vec<Setup>,
    gateways: Vec<Gateway>,
    /// The servers' configuration, and the gateways' data.
    folder: TempDir,
}

impl Cluster {
    /// Starts servers that sync always, and so many gateways with a model each of them knows.
    pub(crate) async fn start(gateways: usize, options: &Options, upstream: &Upstream) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("sync.conf");
        std::fs::write(&config, "jetstream { sync_interval: always }\n")?;
        let config = config.to_str().context("a path that is text")?;
        // Clients must not learn of ways around the links.
        let mut servers = NatsCluster::start_with(SERVERS, &["--config", config, "--no_advertise"]).await?;
        let ports: Vec<u16> = servers.servers().map(|server| server.port()).collect();
        let mut cluster = Self { servers, links: Vec::new(), setups: Vec::new(), gateways: Vec::new(), folder };
        for number in 0..gateways {
            let mut links = Vec::new();
            for port in &ports {
                links.push(LossyLink::to(*port).await?);
            }
            let urls: Vec<String> = links.iter().map(LossyLink::nats_url).collect();
            let setup = options.gateway().env("TALLYGATE_NATS", urls.join(",")).env("TALLYGATE_SECRET", SECRET);
            let setup = setup.data(&cluster.folder.path().join(format!("data-{number}")));
            cluster.gateways.push(start_when_elected(&setup).await?);
            cluster.setups.push(setup);
            cluster.links.push(links);
        }
        ground::register(&cluster.gateways[0], upstream).await?;
        Ok(cluster)
    }

    pub(crate) fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// Cuts a gateway off from every server.
    pub(crate) fn cut(&self, gateway: usize) {
        self.links.get(gateway).into_iter().flatten().for_each(LossyLink::go_down);
    }

    pub(crate) fn heal(&self, gateway: usize) {
        self.links.get(gateway).into_iter().flatten().for_each(LossyLink::recover);
    }

    /// One fault, undone again. Tells what it was. The first rounds have one of each kind.
    async fn strike(&mut self, round: usize, dice: &mut Dice) -> Result<String> {
        let (gateway, server) = (dice.index(self.gateways.len()), dice.index(SERVERS));
        let fault = if round < FAULTS { round } else { dice.index(FAULTS) };
        match fault {
            0 => {
                self.gateways[gateway].process().signal("STOP").await?;
                tokio::time::sleep(FAULT).await;
                self.gateways[gateway].process().signal("CONT").await?;
                Ok(format!("gateway {gateway} paused"))
            }
            1 => {
                self.cut(gateway);
                tokio::time::sleep(FAULT).await;
                self.heal(gateway);
                Ok(format!("gateway {gateway} cut off"))
            }
            2 => {
                self.gateways.remove(gateway).kill().await?;
                let again = start_when_elected(&self.setups[gateway]).await?;
                self.gateways.insert(gateway, again);
                Ok(format!("gateway {gateway} killed"))
            }
            3 => {
                let paused = self.servers.servers().nth(server).context("a server")?;
                paused.signal("STOP").await?;
                tokio::time::sleep(FAULT).await;
                paused.signal("CONT").await?;
                Ok(format!("server {server} paused"))
            }
            _ => {
                let server_of = self.servers.servers().nth(server).context("a server")?;
                server_of.kill().await?;
                tokio::time::sleep(FAULT).await;
                server_of.restart().await?;
                Ok(format!("server {server} killed"))
            }
        }
    }
}

/// Starts a gateway again and again, as whoever supervises it would: the servers may have no leader yet.
async fn start_when_elected(setup: &Setup) -> Result<Gateway> {
    let begun = Instant::now();
    loop {
        match setup.clone().start().await {
            Ok(gateway) => return Ok(gateway),
            Err(error) if begun.elapsed() > RECOVERY_MAX => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let (upstream, mut dice) = (ground::upstream().await?, Dice::new(options.seed));
    let budget = if options.is_control { BUDGET_OF_CONTROL } else { BUDGET };
    let mut cluster = Cluster::start(GATEWAYS, options, &upstream).await?;
    let key = ground::key(&cluster.gateways[0], Some(budget)).await?;
    let (addresses, receiver) = watch::channel(urls(cluster.gateways()));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        callers.spawn(call(receiver.clone(), number, key.clone()));
    }
    let (mut acknowledged, mut recoveries) = (HashMap::new(), Vec::new());
    for round in 0..options.rounds(ROUNDS) {
        // Before the fault, and while it lasts.
        acknowledged.extend(operate(operators(&cluster)?).await);
        let operators = operators(&cluster)?;
        let (struck, meanwhile) = tokio::join!(cluster.strike(round, &mut dice), operate(operators));
        acknowledged.extend(meanwhile);
        let struck = struck?;
        addresses.send_replace(urls(cluster.gateways()));
        let undone = Instant::now();
        until_well(&cluster).await?;
        recoveries.push(undone.elapsed());
        figures.told("fault", format!("{struck}, well again after {:.1} s", undone.elapsed().as_secs_f64()));
        tokio::time::sleep(CALM).await;
    }
    figures.times("time to recover", &mut recoveries);
    figures.at_most("longest", recoveries.last().copied().unwrap_or_default(), RECOVERY_GOAL);
    figures.told("budget used when the last fault was over, requests", upstream.request_count());
    let used = drain(&upstream).await;
    callers.shutdown().await;
    tell(figures, &upstream, used, budget);
    let mut held = 0;
    for gateway in cluster.gateways() {
        held += ground::held(&gateway.caller(&key)?).await?;
    }
    figures.none("holds leaked, nano-dollars", held);
    let charged = ground::charged(&cluster.gateways[0], &key).await?;
    figures.none("requests charged and not sent", charged.saturating_sub(used));
    figures.told("requests sent and not charged", used.saturating_sub(charged));
    figures.told("commands acknowledged", acknowledged.len());
    figures.none("events lost", missing(&cluster.gateways[0], &acknowledged).await?);
    figures.holds("all gateways have one state", one_state(cluster.gateways()).await?);
    Ok(())
}

fn urls(gateways: &[Gateway]) -> Vec<String> {
    gateways.iter().map(|gateway| gateway.url().to_owned()).collect()
}

/// Sends requests, one after another, to one gateway after another.
async fn call(addresses: watch::Receiver<Vec<String>>, number: usize, key: String) {
    let mut turn = number;
    let mut clients: HashMap<String, Client> = HashMap::new();
    loop {
        turn += 1;
        let address = {
            let addresses = addresses.borrow();
            addresses.get(turn % addresses.len().max(1)).cloned().unwrap_or_default()
        };
        if !clients.contains_key(&address) {
            let Ok(client) = Client::new(&address, Some(&key)) else { return };
            clients.insert(address.clone(), client);
        }
        let Some(client) = clients.get(&address) else { return };
        // One that is paused answers late or never: the caller goes on meanwhile.
        let answer = tokio::time::timeout(Duration::from_secs(3), ask(client)).await;
        drop(answer);
        tokio::time::sleep(BETWEEN_REQUESTS).await;
    }
}

fn operators(cluster: &Cluster) -> Result<Vec<Client>> {
    cluster.gateways().iter().map(Gateway::operator).collect()
}

/// Some commands to each gateway, as far as they are acknowledged: their bodies and receipts.
async fn operate(operators: Vec<Client>) -> HashMap<String, (Value, Value)> {
    let mut acknowledged = HashMap::new();
    for operator in operators {
        for _ in 0..5 {
            let id = uuid();
            let body = json!({ "id": id, "type": "RegisterRealm", "data": { "realm": format!("realm-{id}") } });
            let answer = tokio::time::timeout(OPERATOR_PATIENCE, operator.post("/api/commands", &body)).await;
            if let Ok(Ok(answer)) = answer
                && answer.status == 200
                && let Ok(receipt) = answer.json()
            {
                acknowledged.insert(id, (body, receipt));
            }
        }
    }
    acknowledged
}

/// How many acknowledged commands the log does not have any more as they were acknowledged.
async fn missing(gateway: &Gateway, acknowledged: &HashMap<String, (Value, Value)>) -> Result<usize> {
    let (operator, mut missing) = (gateway.operator()?, 0);
    for (body, receipt) in acknowledged.values() {
        let again = operator.post("/api/commands", body).await?;
        missing += usize::from(again.status != 200 || again.json()? != *receipt);
    }
    Ok(missing)
}

/// Waits until every gateway carries out a command and answers a request that no budget limits.
async fn until_well(cluster: &Cluster) -> Result<()> {
    let begun = Instant::now();
    for gateway in cluster.gateways() {
        let free = loop {
            match ground::key(gateway, None).await {
                Ok(key) => break key,
                Err(error) if begun.elapsed() > RECOVERY_MAX => return Err(error),
                Err(_) => {}
            }
        };
        let caller = gateway.caller(&free)?;
        while caller.get("/v1/models").await?.status != 200 {
            ensure!(begun.elapsed() < RECOVERY_MAX, "a gateway does not recover: {}", gateway.output());
        }
    }
    Ok(())
}

/// Waits until nothing is sent any more, and tells how many requests were sent in all.
async fn drain(upstream: &Upstream) -> usize {
    let begun = Instant::now();
    let (mut used, mut since) = (upstream.request_count(), Instant::now());
    while begun.elapsed() < DRAIN && since.elapsed() < DRY {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = upstream.request_count();
        if now != used {
            (used, since) = (now, Instant::now());
        }
    }
    used
}

fn tell(figures: &mut Figures, upstream: &Upstream, used: usize, budget: u64) {
    let budget = usize::try_from(budget).unwrap_or(usize::MAX);
    figures.told("the provider's bill, nano-dollars", upstream.request_count() as u64 * ground::COST_NANO_USD);
    figures.none("overshoot, requests", used.saturating_sub(budget));
    figures.at_least("usable share of the budget", 100.0 * used.min(budget) as f64 / budget as f64, 99.0);
}

async fn one_state(gateways: &[Gateway]) -> Result<bool> {
    let mut states = Vec::new();
    for gateway in gateways {
        states.push(gateway.operator()?.get("/api/state").await?.expect(200)?.at("/control")?);
    }
    Ok(states.windows(2).all(|pair| pair[0] == pair[1]))
}
