//! A thousand callers at once, some of whom leave, on a chain of four budgets: on one gateway, and on three.

mod books;
mod crowd;
mod money;
mod postings;
mod suspense;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::upstream::{Reply, StreamEnd, Upstream, Usage};
use tempfile::TempDir;

use crate::Options;
use crate::dice::Dice;
use crate::figures::Figures;
use crate::ground;
use books::Books;
use money::{GATEWAY, Money};
use postings::Postings;

/// Seeds of each site, unless told otherwise. A seed takes some seconds.
const SEEDS: usize = 3;
const SECRET: &str = "the-secret-of-all-gateways-of-the-callers";
/// An answer's tokens. A stream has a chunk for each.
const TOKENS: u64 = 10;
/// How long a token takes to be generated, so that callers leave while there is something to come.
const PACE: Duration = Duration::from_millis(2);
/// The least of a budget that must be usable.
const USABLE_PERCENT: f64 = 99.0;
/// How many replies of a seed may fail; so many in a hundred do.
const REPLIES: usize = 4_000;
const FAILURES_IN_100: u64 = 6;

/// Gateways on one log.
struct Site {
    gateways: Vec<Gateway>,
    upstream: Upstream,
    _nats: Option<(NatsServer, TempDir)>,
    /// What was charged to each budget so far.
    postings: Postings,
}

/// What is wrong over all seeds of a site.
#[derive(Debug, Default)]
struct Tally {
    seeds: usize,
    calls: usize,
    left: usize,
    failed: usize,
    overshoot: u64,
    overcharge: u64,
    leaked: u64,
    not_once: usize,
    lowest_percent: Option<f64>,
    mischarged: usize,
    untold: usize,
    budgets: usize,
    misposted: usize,
    suspended: (u64, u64),
    charged: u64,
    times: Vec<Duration>,
}

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    for gateways in options.sites() {
        let mut site = Site::start(gateways, options).await?;
        let mut tally = Tally::default();
        for round in 0..options.seeds(SEEDS) {
            let seed = options.seed.wrapping_add(u64::try_from(round)?);
            let begun = Instant::now();
            site.seed(seed, &mut tally).await.with_context(|| format!("seed {seed}"))?;
            tally.times.push(begun.elapsed());
        }
        tally.misposted = site.postings.wrong(&site.gateways).await?;
        tally.budgets = site.postings.count();
        tally.tell(gateways, figures);
    }
    Ok(())
}

impl Site {
    async fn start(count: usize, options: &Options) -> Result<Self> {
        let nats = if count > 1 { Some(server().await?) } else { None };
        let setup = |setup: Setup| match &nats {
            Some((server, _)) => setup.env("TALLYGATE_NATS", server.url()).env("TALLYGATE_SECRET", SECRET),
            None => setup,
        };
        let mut gateways = Vec::new();
        for _ in 0..count {
            gateways.push(setup(options.gateway().arg("--suspense-rest-seconds=1")).start().await?);
        }
        let upstream = ground::upstream().await?;
        ground::register(gateways.first().context("no gateway")?, &upstream).await?;
        Ok(Self { gateways, upstream, _nats: nats, postings: Postings::default() })
    }

    /// One crowd on fresh budgets. Then what is left is spent, and the books are compared with the provider's bill.
    async fn seed(&mut self, seed: u64, tally: &mut Tally) -> Result<()> {
        let mut dice = Dice::new(seed);
        self.plan_replies(&mut dice);
        let money = Money::set(&self.gateways, &mut dice, (seed, self.postings.of(GATEWAY))).await?;
        let _ = self.upstream.take_bill();
        let met = crowd::call(&self.gateways, &money, seed).await?;
        self.upstream.nothing_next();
        let leaked = books::held_after_quiet(&self.gateways).await?;
        let mut bill = self.upstream.take_bill();
        let books = Books::read(&self.gateways, &money, &bill).await?;
        if !books.is_whole {
            println!("callers: seed {seed}: {} requests of the bill are not in the books", books.not_once(&bill));
        }
        let closed = suspense::close(&self.gateways, &money, &books).await?;
        let (spent, of_gateways) = (closed.spent_of_keys(&money), closed.spent_of(GATEWAY));
        if spent != of_gateways {
            println!(
                "callers: seed {seed}: of suspense the keys' budgets spent {spent}, and the gateways' {of_gateways}"
            );
        }
        crowd::drain(&self.gateways, &money, seed).await?;
        let leaked = leaked + books::held_after_quiet(&self.gateways).await?;
        bill.extend(self.upstream.take_bill());
        let books = Books::read(&self.gateways, &money, &bill).await?;
        let charged = books.charged() + spent;
        self.postings.add(&money, &books, &closed);
        tally.seeds += 1;
        tally.calls += bill.len();
        tally.left += met.left;
        tally.failed += met.failed;
        tally.leaked += leaked;
        tally.not_once += books.not_once(&bill);
        let share = 100.0 * charged as f64 / money::LIMIT_NANO_USD as f64;
        tally.lowest_percent = Some(tally.lowest_percent.map_or(share, |lowest| lowest.min(share)));
        let (overshoot, overcharge) = (money.over(&books.billed), money.over(&books.charged_to));
        if share < USABLE_PERCENT || overshoot + overcharge + leaked > 0 {
            println!(
                "callers: seed {seed}, tight level {}: {share:.2} % usable, {overshoot} over the bill, {overcharge} over, {leaked} leaked; refused for now: {:?}",
                money.tight, met.later
            );
        }
        tally.overshoot += overshoot;
        tally.overcharge += overcharge;
        tally.mischarged += books.mischarged;
        tally.untold += books.untold;
        tally.suspended = (tally.suspended.0 + closed.of_keys, tally.suspended.1 + spent);
        tally.charged += charged;
        Ok(())
    }

    /// Most answers are whole. Some are refused, reset or cut off.
    fn plan_replies(&self, dice: &mut Dice) {
        let usage = Usage { prompt_tokens: 10, cached_tokens: 0, completion_tokens: TOKENS, reasoning_tokens: 0 };
        let chunks = usize::try_from(TOKENS).unwrap_or_default();
        let whole = Reply::answer().chunks(chunks).usage(usage).every(PACE);
        self.upstream.on_model(ground::MODEL, whole.clone());
        for _ in 0..REPLIES {
            let fails = dice.below(100) < FAILURES_IN_100;
            self.upstream.next(match (fails, dice.below(3)) {
                (true, 0) => Reply::refuse(500),
                // What breaks off may have been generated all the same.
                (true, 1) => Reply::reset().billed(dice.below(TOKENS + 1)),
                (true, _) => {
                    let cut = Reply::answer().chunks(3).usage(usage).every(PACE).then(StreamEnd::CutOff);
                    cut.billed(3 + dice.below(TOKENS - 2))
                }
                (false, _) => whole.clone(),
            });
        }
    }
}

impl Tally {
    fn tell(&mut self, gateways: usize, figures: &mut Figures) {
        let on = if gateways == 1 { "one gateway".to_owned() } else { format!("{gateways} gateways") };
        let nano = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        figures.told(&format!("{on}: seeds, with {} callers each", crowd::CALLERS), self.seeds);
        figures.told(&format!("{on}: requests sent"), self.calls);
        figures.told(&format!("{on}: callers left before the end"), self.left);
        figures.told(&format!("{on}: upstream failures heard of"), self.failed);
        figures.none(&format!("{on}: overshoot of the provider's bill, nano-dollars"), nano(self.overshoot));
        figures.none(&format!("{on}: charged above a limit, nano-dollars"), nano(self.overcharge));
        figures.none(&format!("{on}: holds leaked, nano-dollars"), nano(self.leaked));
        figures.none(&format!("{on}: requests not settled exactly once"), self.not_once);
        figures.none(&format!("{on}: requests charged other than their usage was told"), self.mischarged);
        figures.told(&format!("{on}: budgets"), self.budgets);
        figures.none(&format!("{on}: budgets whose lease log says other than was charged"), self.misposted);
        figures.at_least(&format!("{on}: least usable share"), self.lowest_percent.unwrap_or(0.0), USABLE_PERCENT);
        let share = |part: u64| 100.0 * part as f64 / self.charged.max(1) as f64;
        let (suspended, spent) = (share(self.suspended.0), share(self.suspended.1));
        figures.told(
            &format!("{on}: requests whose usage was not told"),
            format!("{}; {suspended:.2} % of what was charged was in suspense, {spent:.2} % was spent", self.untold),
        );
        figures.times(&format!("{on}: time of a seed"), &mut self.times);
    }
}

/// A server that syncs always.
async fn server() -> Result<(NatsServer, TempDir)> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("sync.conf");
    std::fs::write(&config, "jetstream { store_dir: $TALLYGATE_NATS_STORE_DIR, sync_interval: always }\n")?;
    Ok((NatsServer::start_configured(&config, &[]).await?, folder))
}
