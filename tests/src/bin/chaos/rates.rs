//! How exactly three gateways keep one rate limit: what they let through, against the whole limit and what refilled
//! meanwhile, in percent of the limit.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::paced::Pace;
use tallygate_tests::upstream::Upstream;

use crate::Options;
use crate::cluster::Cluster;
use crate::figures::Figures;
use crate::ground;

/// Requests a minute: four a second.
const LIMIT: u64 = 240;
/// What docs/rate-limits.md allows for while all gateways hear one another: a second of refilling, and one request more for
/// each other gateway.
const HEARD_GOAL: f64 = 2.6;
/// The same with one gateway cut off: it goes on with its third.
const CUT_GOAL: f64 = 33.4 + HEARD_GOAL;
/// Longer than others need to count out who is not heard of.
const CUT: Duration = Duration::from_secs(8);

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let upstream = ground::upstream().await?;
    if options.is_control {
        return control(&upstream, figures).await;
    }
    let cluster = Cluster::start(3, options, &upstream).await?;
    let gateways = cluster.gateways();
    let even = Run::new(gateways, "sk-chaos-rates-even").await?.load(&[50, 50, 50], 6).await?;
    even.tell("even load", figures, HEARD_GOAL);
    let one = Run::new(gateways, "sk-chaos-rates-one").await?.load(&[80, 0, 0], 6).await?;
    one.tell("all on one", figures, HEARD_GOAL);
    let moved = one.load(&[0, 40, 0], 6).await?.load(&[0, 0, 40], 6).await?;
    moved.tell("moved from one to another, twice", figures, HEARD_GOAL);
    figures.at_least("of what refilled is let through while it moves", moved.usable(), 60.0);
    let cut = Run::new(gateways, "sk-chaos-rates-cut").await?.load(&[50, 50, 50], 4).await?;
    cluster.cut(2);
    tokio::time::sleep(CUT).await;
    let cut = cut.load(&[40, 40, 40], 4).await?;
    cut.tell("one of three cut off", figures, CUT_GOAL);
    cluster.heal(2);
    Ok(())
}

/// Three gateways that share no log know nothing of one another.
async fn control(upstream: &Upstream, figures: &mut Figures) -> Result<()> {
    let mut gateways = Vec::new();
    for _ in 0..3 {
        let gateway = Setup::new().start().await?;
        ground::register(&gateway, upstream).await?;
        generate(&gateway, "sk-chaos-rates-alone").await?;
        gateways.push(gateway);
    }
    let run = Run { gateways: &gateways, key: "sk-chaos-rates-alone", begun: Instant::now(), through: Vec::new() };
    run.load(&[50, 50, 50], 6).await?.tell("even load", figures, HEARD_GOAL);
    Ok(())
}

async fn generate(gateway: &Gateway, key: &str) -> Result<()> {
    let terms = json!({ "key": key, "rpm_limit": LIMIT });
    gateway.operator()?.post("/key/generate", &terms).await?.expect(200)?;
    Ok(())
}

/// Load on one key, from rest.
struct Run<'a> {
    gateways: &'a [Gateway],
    key: &'static str,
    begun: Instant,
    /// What each load let through, and in how many seconds.
    through: Vec<(u64, f64)>,
}

impl<'a> Run<'a> {
    async fn new(gateways: &'a [Gateway], key: &'static str) -> Result<Self> {
        generate(&gateways[0], key).await?;
        for gateway in gateways {
            let caller = gateway.caller(key)?;
            while caller.get("/v1/models").await?.status != 200 {}
        }
        Ok(Self { gateways, key, begun: Instant::now(), through: Vec::new() })
    }

    /// Loads each gateway with so many calls a second; on a slow machine it takes longer.
    async fn load(mut self, per_second: &[u32], seconds: u32) -> Result<Self> {
        let (begun, mut loads) = (Instant::now(), Vec::new());
        for (gateway, &per_second) in self.gateways.iter().zip(per_second).filter(|(_, pace)| **pace > 0) {
            let pace = Pace { per_second, calls: per_second * seconds };
            loads.push(tokio::spawn(pace.load(gateway.caller(self.key)?, ground::chat())));
        }
        let mut through = 0;
        for load in loads {
            through += load.await??;
        }
        self.through.push((through, begun.elapsed().as_secs_f64()));
        Ok(self)
    }

    fn tell(&self, name: &str, figures: &mut Figures, most: f64) {
        let through: u64 = self.through.iter().map(|(through, _)| through).sum();
        let seconds = self.begun.elapsed().as_secs_f64();
        let right = refilled(seconds) + LIMIT as f64;
        figures.told(name, format!("{through} requests in {seconds:.1} s, where {right:.1} are right"));
        let over = (through as f64 - right) / LIMIT as f64 * 100.0;
        figures.no_more(&format!("{name}: over the limit"), over, most);
    }

    /// How much of what refilled the later loads got, in percent.
    fn usable(&self) -> f64 {
        let later = self.through.iter().skip(1);
        let (through, seconds) = later.fold((0, 0.0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        through as f64 / refilled(seconds) * 100.0
    }
}

fn refilled(seconds: f64) -> f64 {
    LIMIT as f64 * seconds / 60.0
}
