//! The task: notes what events are about, carries it over, keeps how far it is, and waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::litellm::mirror::proxy::{Proxy, Trouble};
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::checkpoint::Checkpoint;
use super::hand::Hand;
use super::intake::{self, Place};
use super::keys::Whose;
use super::outcome::{Outcome, Stuck};
use super::status::{NotMirrored, Status};
use super::target::Target;
use super::{Ground, deployments, keys, teams, users};
use crate::http::App;

/// While so many objects wait, no more lines are read.
const WAITING_MAX: usize = 10_000;
/// How long to wait after a first failure; twice as long after each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// The longest wait that this program chooses.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The longest wait that the proxy may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Since which place an object waits, and when its event was decided.
#[derive(Debug, Clone, Copy)]
struct Since {
    place: Place,
    at: Timestamp,
}

/// See the module.
pub(super) struct Follower {
    app: App,
    proxy: Proxy,
    ground: Ground,
    status: Arc<Status>,
    read_to: Place,
    kept: Option<Place>,
    waiting: BTreeMap<Target, Since>,
    /// Those at which the proxy failed: they are tried after all others.
    failed: BTreeSet<Target>,
    /// When those are tried again, and how long to wait after that.
    retry_at: Instant,
    patience: Duration,
    backoff: Duration,
}

impl Follower {
    pub(super) fn new(app: App, proxy: Proxy, ground: Ground, status: Arc<Status>) -> Self {
        let (read_to, waiting) = (Place::START, BTreeMap::new());
        Self {
            app,
            proxy,
            ground,
            status,
            read_to,
            kept: None,
            waiting,
            failed: BTreeSet::new(),
            retry_at: Instant::now(),
            patience: BACKOFF_MIN,
            backoff: BACKOFF_MIN,
        }
    }

    /// Runs until the gateway is stopped. What is asked then is given up: it is asked again at the next start.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        while let Err(error) = self.resume().await {
            self.pause(error.to_string(), None).await;
        }
        loop {
            if let Err(error) = self.take_in().await {
                self.pause(error.to_string(), None).await;
                continue;
            }
            let away = self.round().await;
            self.keep().await;
            match away {
                Some((message, retry_after)) => self.pause(message, retry_after).await,
                // What was added in the round, and what came meanwhile.
                None if self.waiting.len() > self.failed.len() || self.read_to.position < self.end() => {}
                None if self.wait().await => {}
                None => return,
            }
        }
    }

    /// Goes on where the process before ended. What could not be carried over then is tried again.
    async fn resume(&mut self) -> Result<(), LogError> {
        let Some(kept) = Checkpoint::load(&self.ground.checkpoint, self.status.proxy.as_str()) else { return Ok(()) };
        if !kept.is_of(self.ground.log.as_ref()).await? {
            tracing::warn!("the mirror's checkpoint is of another log: everything is carried over anew");
            return Ok(());
        }
        let since = Since { place: kept.place, at: self.app.pipeline.clock.now() };
        self.waiting = kept.not_mirrored.iter().map(|(target, _)| (target.clone(), since)).collect();
        (self.read_to, self.kept) = (kept.place, Some(kept.place));
        self.status.remember(kept.not_mirrored);
        self.status.reached(kept.place.position);
        Ok(())
    }

    /// Notes what the events are about that came since.
    async fn take_in(&mut self) -> Result<(), LogError> {
        let snapshot = self.app.pipeline.views.control.snapshot();
        while self.read_to.position < snapshot.end.position && self.waiting.len() < WAITING_MAX {
            let group = intake::read(self.ground.log.as_ref(), &self.ground.mac, &snapshot, self.read_to).await?;
            if group.end == self.read_to {
                break;
            }
            let at = group.at.unwrap_or_else(|| self.app.pipeline.clock.now());
            let since = Since { place: self.read_to, at };
            for target in group.targets {
                self.waiting.entry(target).or_insert(since);
            }
            self.read_to = group.end;
        }
        self.tell();
        Ok(())
    }

    /// Carries over what waits, once each; what the proxy failed at not before its time. Why nothing can be asked now, if so.
    async fn round(&mut self) -> Option<(String, Option<Duration>)> {
        let mut done = BTreeSet::new();
        if Instant::now() < self.retry_at {
            done.clone_from(&self.failed);
        }
        while let Some((target, since)) = self.next(&done) {
            done.insert(target.clone());
            match self.carry(&target, since).await {
                Ok(()) => {
                    self.waiting.remove(&target);
                    self.failed.remove(&target);
                    self.backoff = BACKOFF_MIN;
                    self.tell();
                }
                Err(Stuck::Proxy(Trouble::Away { why, retry_after })) => {
                    let trouble = Trouble::Away { why, retry_after };
                    return Some((format!("{target}: {trouble}"), retry_after));
                }
                Err(Stuck::Proxy(unknown @ Trouble::Unauthorized(_))) => {
                    return Some((format!("{target}: {unknown}"), None));
                }
                Err(stuck) => self.fail(target, &stuck),
            }
        }
        None
    }

    /// An object at which the proxy failed is tried again after all others, and each time after a longer while.
    fn fail(&mut self, target: Target, stuck: &Stuck) {
        if self.failed.is_empty() {
            self.patience = BACKOFF_MIN;
        }
        tracing::warn!(what = %target, reason = stuck as &dyn std::error::Error, "the proxy failed at an object of the mirror");
        self.status.failed(self.app.pipeline.clock.now(), format!("{target}: {stuck}"));
        self.failed.insert(target);
        if self.retry_at <= Instant::now() {
            self.retry_at = Instant::now() + self.patience;
            self.patience = (self.patience * 2).min(BACKOFF_MAX);
        }
    }

    /// Waits for events, or until what failed is due. Whether there is more to come.
    async fn wait(&self) -> bool {
        let control = &self.app.pipeline.views.control;
        let next = control.wait_for(self.read_to.position.plus(1));
        if self.failed.is_empty() {
            return next.await.is_ok();
        }
        tokio::select! {
            ended = next => ended.is_ok(),
            () = tokio::time::sleep_until(self.retry_at) => true,
        }
    }

    /// The first object that waits and was not tried in this round.
    fn next(&self, done: &BTreeSet<Target>) -> Option<(Target, Since)> {
        let mut waiting = self.waiting.iter().filter(|(target, _)| !done.contains(*target));
        let first = waiting.clone().find(|(target, _)| !self.failed.contains(*target)).or_else(|| waiting.next());
        first.map(|(target, since)| (target.clone(), *since))
    }

    async fn carry(&mut self, target: &Target, since: Since) -> Result<(), Stuck> {
        let snapshot = self.app.pipeline.views.control.snapshot();
        let (position, now) = (snapshot.position(), self.app.pipeline.clock.now());
        let hand = Hand { proxy: &self.proxy, app: &self.app, snapshot, now };
        if let Some(whose) = Whose::of(target) {
            let ids = keys::ids(&hand, whose).await?;
            self.expand(ids.into_iter().map(Target::Key), since);
            return Ok(());
        }
        let found = match target {
            Target::Team(id) => teams::team(&hand, id).await,
            Target::User(id) => users::user(&hand, id).await,
            Target::Deployment(id) => deployments::deployment(&hand, id).await,
            Target::OldSecrets(id) => keys::old_secrets(&hand, &self.ground, *id).await,
            Target::Key(id) => keys::key(&hand, *id).await,
            Target::EndUser(whom) => Ok(teams::end_user(&hand, whom)),
            Target::Tag(which) => Ok(teams::tag(&hand, which)),
            Target::KeysOfRealm(_) | Target::AliasesOfRealm(_) | Target::KeysOfUser(_) => Ok(Outcome::InStep),
        };
        match found {
            Ok(outcome) => self.note(target, since, outcome, position),
            Err(Stuck::Proxy(refused @ Trouble::Refused { .. })) => {
                self.note(target, since, Outcome::NotMirrored(refused.to_string()), position);
            }
            Err(stuck) => return Err(stuck),
        }
        Ok(())
    }

    /// Notes what an object stands for: as many as there are keys, some hundred bytes each.
    fn expand(&mut self, targets: impl Iterator<Item = Target>, since: Since) {
        for target in targets {
            self.waiting.entry(target).or_insert(since);
        }
    }

    fn note(&mut self, target: &Target, since: Since, outcome: Outcome, position: Position) {
        let had_failed = self.failed.remove(target);
        match outcome {
            Outcome::NotMirrored(reason) => {
                tracing::warn!(what = %target, reason, "not mirrored");
                self.status.not_mirrored(target.clone(), NotMirrored { reason, position });
            }
            Outcome::InStep => {
                let was_not = self.status.in_step(target) || had_failed;
                // Keys could not be made, or were blocked, while it was not there.
                let keys = match target {
                    Target::Team(realm) => Some(Target::KeysOfRealm(realm.clone())),
                    Target::User(user) => Some(Target::KeysOfUser(user.clone())),
                    _ => None,
                };
                self.expand(keys.filter(|_| was_not).into_iter(), since);
            }
        }
    }

    /// Where the views end, lines included that no gateway wrote.
    fn end(&self) -> Position {
        self.app.pipeline.views.control.snapshot().end.position
    }

    /// Where all before is carried over.
    fn reached(&self) -> Place {
        let oldest = self.waiting.values().map(|since| since.place).min_by_key(|place| place.position);
        oldest.unwrap_or(self.read_to)
    }

    fn tell(&self) {
        self.status.waits(self.waiting.len(), self.waiting.values().map(|since| since.at).min());
    }

    /// Keeps how far it is, and tells of it then. A folder that cannot be written costs no more than doing it again after a restart.
    async fn keep(&mut self) {
        let place = self.reached();
        if self.kept != Some(place) {
            self.save(place).await;
        }
        self.tell();
        self.status.reached(place.position);
    }

    async fn save(&mut self, place: Place) {
        let checkpoint = Checkpoint::new(self.status.proxy.as_str(), place, self.status.remembered());
        let path = self.ground.checkpoint.clone();
        match tokio::task::spawn_blocking(move || checkpoint.save(&path)).await {
            Ok(Ok(())) => self.kept = Some(place),
            Ok(Err(error)) => tracing::warn!(%error, "the mirror's checkpoint cannot be written"),
            Err(error) => tracing::warn!(%error, "the mirror's checkpoint was not written"),
        }
    }

    /// Waits before the next attempt.
    async fn pause(&mut self, message: String, retry_after: Option<Duration>) {
        tracing::warn!(reason = message, "the mirror is behind");
        self.status.failed(self.app.pipeline.clock.now(), message);
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        tokio::time::sleep(self.backoff.max(asked)).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}
