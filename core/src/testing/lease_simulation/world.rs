//! The world: its rules, its sites, and one step after another.

use super::Sabotage;
use super::log::Log;
use super::process::{Around, calendar};
use super::provider::Provider;
use super::random::Random;
use super::site::Site;
use crate::activity::Charge;
use crate::actor::Actor;
use crate::aggregate::{Mark, Trail};
use crate::budget::{Budget, BudgetLimit, Carried, Raise};
use crate::lease::Root;
use crate::lease::allot::Policy;
use crate::limits::Limits;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::{id, key_id};
use crate::time::{Period, Timestamp};

/// What does not change while a world runs, but for limits and the weather.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    /// Every version of the budgets: of the keys, of the realm, of the gateway.
    pub(super) versions: Vec<Vec<Budget>>,
    /// How many chains of budgets there are: one a key.
    pub(super) chains: usize,
    pub(super) longest_ms: u64,
    pub(super) rest_ms: u64,
    pub(super) gone_after_ms: u64,
    /// After how long slices are reclaimed, if budgets are soft.
    pub(super) grace_ms: Option<u64>,
    pub(super) has_wrong_prices: bool,
    pub(super) has_faults: bool,
}

/// What came of a seed that nothing is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Requests that were sent.
    pub sent: u64,
    /// Events of the lease log.
    pub events: u64,
    /// Of the budget that ended first, how much was spent in the end, in thousandths of a percent.
    pub usable_milli_percent: u64,
}

/// One seed's world.
#[derive(Debug)]
pub struct World {
    pub(super) now_ms: u64,
    pub(super) random: Random,
    pub(super) rules: Rules,
    pub(super) log: Log,
    pub(super) provider: Provider,
    pub(super) sites: Vec<Site>,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) processes: u64,
    /// Settled requests whose record must be in the activity log in the end.
    pub(super) certain: std::collections::BTreeSet<crate::id::RequestId>,
    pub(super) operator_ids: u64,
    /// Whether suspense of a gateway that was only cut off was closed: what it held then may be posted twice.
    pub(super) closed_gone: bool,
}

const STEPS: u64 = 160;

impl Rules {
    /// The chain of budgets of a key.
    pub(super) fn budgets(&self, version: usize, key: usize) -> impl Iterator<Item = &Budget> {
        let budgets = &self.versions[version];
        [key, budgets.len() - 2, budgets.len() - 1].into_iter().map(|index| &budgets[index])
    }

    pub(super) fn root(&self, scope: &Scope) -> Root {
        match scope {
            Scope::Gateway => Root::Gateway,
            Scope::Realm(_)
            | Scope::User(_)
            | Scope::Key(_)
            | Scope::Model(..)
            | Scope::EndUser(_)
            | Scope::Tag(_)
            | Scope::Agent(_)
            | Scope::Context(_) => Root::Realm(id("acme")),
        }
    }

    fn new(random: &mut Random) -> Self {
        let keys = random.index(2) + 1;
        let limit = |random: &mut Random| random.amount(300_000, 2_000_000);
        let mut budgets: Vec<Budget> = (0..keys)
            .map(|key| {
                let period = if random.chance(500) { Period::Total } else { Period::Seconds(30) };
                budget(Scope::Key(key_id(key as u128 + 1)), period, limit(random))
            })
            .collect();
        let realm = if random.chance(500) { Period::Seconds(60) } else { Period::Total };
        budgets.push(budget(Scope::Realm(id("acme")), realm, limit(random)));
        budgets.push(budget(Scope::Gateway, Period::Total, limit(random) * 2));
        let longest_ms = 8_000;
        let policy = Policy { least: NanoUsd::new(20_000), crumb: NanoUsd::new(500), ..Policy::default() };
        Self {
            policy,
            versions: vec![budgets],
            chains: keys,
            longest_ms,
            rest_ms: policy.age_ms + longest_ms + 5_000,
            gone_after_ms: 40_000,
            grace_ms: random.chance(100).then_some(60_000),
            has_wrong_prices: random.chance(100),
            has_faults: true,
        }
    }

    /// Sets one limit anew, or raises one for a while, or says that some was spent elsewhere.
    pub(super) fn change_limit(&mut self, random: &mut Random, now_ms: u64) {
        let mut budgets = self.versions.last().cloned().unwrap_or_default();
        let set = Position::new(self.versions.len() as u64 + 10);
        let which = random.index(budgets.len());
        let budget = &mut budgets[which];
        budget.set = set;
        if random.chance(400) {
            let until = calendar(now_ms + random.within(500, 60_000), 0);
            budget.terms.raise = Some(Raise { by_nano_usd: NanoUsd::new(random.amount(50_000, 1_500_000)), until });
        } else if random.chance(250) {
            let (limit, now) = (&budget.limits[0], calendar(now_ms, 0));
            let window = limit.period.window_at(limit.anchor, now).map_or(limit.anchor, |window| window.start);
            let (period, source) = (limit.period, set.to_string());
            let spent_nano_usd = NanoUsd::new(random.amount(1_000, 500_000));
            budget.carried.push(Carried { period, window, source, spent_nano_usd, forgotten_nano_usd: NanoUsd::ZERO });
        } else {
            budget.limits[0].limit_nano_usd = NanoUsd::new(random.amount(100_000, 2_500_000));
        }
        self.versions.push(budgets);
    }
}

fn budget(scope: Scope, period: Period, limit: i64) -> Budget {
    let set = Position::new(10);
    let mark = Mark { position: set, at: Timestamp::from_millis(0), by: Actor::operator() };
    let limits = vec![BudgetLimit { period, anchor: Timestamp::from_millis(0), limit_nano_usd: NanoUsd::new(limit) }];
    Budget {
        scope,
        realm: None,
        limits,
        reclaim_after_seconds: None,
        named: None,
        rates: Limits::default(),
        told_at_nano_usd: None,
        terms: crate::budget::Terms::default(),
        carried: Vec::new(),
        set,
        trail: Trail::born(&mark),
    }
}

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut random = Random::new(seed);
        let mut rules = Rules::new(&mut random);
        if sabotage.is_some() {
            // What a seed allows for, no sabotage may hide behind.
            (rules.grace_ms, rules.has_wrong_prices) = (None, false);
        }
        let count = random.within(1, 4);
        let sites = (1..=count).map(Site::new).collect();
        Self {
            now_ms: 100_000,
            random,
            rules,
            log: Log::default(),
            provider: Provider::default(),
            sites,
            sabotage,
            processes: 0,
            certain: std::collections::BTreeSet::new(),
            operator_ids: 0,
            closed_gone: false,
        }
    }

    /// Lets faults rain, then lets them end, and looks at what is left.
    ///
    /// # Errors
    /// What is wrong.
    pub fn run(&mut self) -> Result<Outcome, String> {
        for step in 0..STEPS {
            self.step().map_err(|what| format!("at step {step}, {} ms: {what}", self.now_ms))?;
        }
        self.settle_down().map_err(|what| format!("in the end, at {} ms: {what}", self.now_ms))
    }

    fn step(&mut self) -> Result<(), String> {
        let leap = self.random.chance(20);
        self.now_ms += if leap { self.random.within(2_000, 40_000) } else { self.random.within(5, 400) };
        self.weather()?;
        self.operator()?;
        self.move_on()?;
        self.check()
    }

    /// Delivers what is due, and lets every process do something.
    pub(super) fn move_on(&mut self) -> Result<(), String> {
        self.deliver()?;
        for index in 0..self.sites.len() {
            self.restart(index);
            for process in 0..self.sites[index].processes.len() {
                self.live(index, process);
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), String> {
        let now_ms = self.now_ms;
        let mut due: Vec<_> = self.log.network.extract_if(.., |message| message.due_ms <= now_ms).collect();
        due.sort_by_key(|message| message.due_ms);
        for message in due {
            self.check_limits(&message.stored)?;
            self.log.append(&message.root, message.after, message.stored, now_ms)?;
        }
        Ok(())
    }

    /// Borrows what a process of a site reaches.
    pub(super) fn with<R>(
        &mut self,
        site: usize,
        process: usize,
        work: impl FnOnce(&mut super::process::Process, &mut Around<'_>) -> R,
    ) -> R {
        let site = &mut self.sites[site];
        let Site { writer, runs, elsewhere, processes, .. } = site;
        let process = &mut processes[process];
        let mut nowhere = Vec::new();
        let disk = runs
            .iter_mut()
            .chain(elsewhere)
            .find(|(run, _)| *run == process.number)
            .map_or(&mut nowhere, |(_, bytes)| bytes);
        let mut around = Around {
            now_ms: self.now_ms,
            writer,
            disk,
            log: &mut self.log,
            provider: &mut self.provider,
            random: &mut self.random,
            rules: &self.rules,
            sabotage: self.sabotage,
        };
        work(process, &mut around)
    }

    fn live(&mut self, site: usize, process: usize) {
        let now_ms = self.now_ms;
        let newest = self.rules.versions.len() - 1;
        let wrong_prices = self.rules.has_wrong_prices;
        let ended = self.with(site, process, |process, around| {
            if now_ms < process.paused_until {
                return Vec::new();
            }
            if !process.is_cut(now_ms) {
                process.control = if around.random.chance(200) { newest } else { process.control };
                let limit = around.random.index(6);
                process.follow(around, limit);
            }
            process.finish(around);
            for _ in 0..around.random.index(4) {
                let amount = around.random.amount(200, 40_000);
                let cost = if wrong_prices && around.random.chance(50) {
                    amount + around.random.amount(1, 20_000)
                } else {
                    around.random.amount(0, amount + 1)
                };
                // A refusal is an answer too.
                let _ = process.request(around, amount, cost);
                if process.paused_until > now_ms {
                    break;
                }
            }
            process.write_leases(around);
            if !process.is_cut(now_ms) {
                process.ship(around);
            }
            process.roll_journal(around);
            std::mem::take(&mut process.ended)
        });
        self.certain.extend(ended.into_iter().filter(|(_, is_certain)| *is_certain).map(|(request, _)| request));
    }

    /// The charges that were ever billed.
    pub(super) fn billed(&self) -> Vec<(Charge, i128)> {
        self.provider.bill.iter().map(|(account, amount)| (account.clone(), *amount)).collect()
    }
}
