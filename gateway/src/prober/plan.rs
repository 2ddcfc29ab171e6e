//! Which deployments are probed, and when next.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use tallygate_core::id::DeploymentId;
use tallygate_core::registry::{Deployment, Model, Probing};
use tallygate_core::routing::{ProbeBy, Steady};
use tallygate_core::stream::Position;
use tallygate_projections::Snapshot;

use crate::settings::ProbeSettings;

/// The deployments that are probed, as of a position of the control log.
#[derive(Debug, Default)]
pub(super) struct Plan {
    position: Option<Position>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    due: Due,
    interval: Duration,
    next: Steady,
}

/// A probe that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) model: Arc<Model>,
    /// Which of the model's deployments.
    pub(super) index: usize,
    pub(super) timeout: Duration,
    pub(super) by: ProbeBy,
}

impl Plan {
    /// Plans for what is registered now. Who was planned already keeps its next moment.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, own: &ProbeSettings, now: Steady) {
        let position = snapshot.position();
        if self.position.replace(position) == Some(position) {
            return;
        }
        let models = snapshot.control.models.iter().map(|(_, model)| model);
        self.replan(models.filter(|model| model.retired.is_none()), own, now);
    }

    fn replan<'m>(&mut self, models: impl Iterator<Item = &'m Arc<Model>>, own: &ProbeSettings, now: Steady) {
        let named = |entry: &Entry| Some((entry.due.deployment()?.id.clone(), entry.next));
        let before: HashMap<DeploymentId, Steady> = self.entries.iter().filter_map(named).collect();
        self.entries.clear();
        for model in models {
            for (index, deployment) in model.deployments.iter().enumerate() {
                // What was accepted before there were bounds, and cannot be read, says nothing.
                let told = Probing::of_text(&deployment.info).unwrap_or_default();
                let Some(interval) = told.interval.or(own.interval).filter(|_| !told.is_off) else { continue };
                let (timeout, by) = (told.timeout.unwrap_or(own.timeout), told.by.unwrap_or(own.by));
                let kept = before.get(&deployment.id).copied().map(|next| next.min(now.plus(interval)));
                let next = kept.unwrap_or_else(|| now.plus(spread(&deployment.id, interval)));
                let due = Due { model: Arc::clone(model), index, timeout, by };
                self.entries.push(Entry { due, interval, next });
            }
        }
    }

    /// Those that are due, `most` at most, the longest overdue first.
    pub(super) fn due(&mut self, now: Steady, most: usize) -> Vec<Due> {
        let mut due: Vec<&mut Entry> = self.entries.iter_mut().filter(|entry| entry.next <= now).collect();
        due.sort_by_key(|entry| entry.next);
        let take = |entry: &mut Entry| {
            entry.next = now.plus(entry.interval);
            entry.due.clone()
        };
        due.into_iter().take(most).map(take).collect()
    }
}

impl Due {
    /// The deployment.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.model.deployments.get(self.index)
    }
}

/// When a deployment's first probe is, within its interval: not all at once, and on each gateway at the same place.
fn spread(deployment: &DeploymentId, interval: Duration) -> Duration {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(deployment.as_str());
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash % millis)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tallygate_core::json::Json;
    use tallygate_core::registry::{Model, NewDeployment, RegisterModel};
    use tallygate_core::routing::{ProbeBy, Steady};
    use tallygate_core::testing::samples::{json, new_deployment, register_model};
    use tallygate_core::testing::world::World;

    use super::Plan;
    use crate::settings::{ProbeSettings, RequestSettings};

    const MINUTE: Duration = Duration::from_secs(60);

    /// A model with a deployment for each of these attachments.
    fn model(infos: &[&str]) -> Arc<Model> {
        let deployment = |(index, info): (usize, &&str)| {
            let info = if info.is_empty() { Json::empty() } else { json(info) };
            NewDeployment { info, ..new_deployment(&format!("d{index}")) }
        };
        let deployments = infos.iter().enumerate().map(deployment).collect();
        let mut world = World::new();
        world.carry_out(RegisterModel { deployments, ..register_model(1, "m") });
        Arc::new(world.model(1).clone())
    }

    fn at(millis: u64) -> Steady {
        Steady::from_millis(millis)
    }

    fn own(interval: Option<Duration>) -> ProbeSettings {
        ProbeSettings { interval, ..RequestSettings::default().probes }
    }

    /// The indices of the deployments that are probed in a minute.
    fn probed(infos: &[&str], interval: Option<Duration>) -> Vec<usize> {
        let mut plan = Plan::default();
        plan.replan([model(infos)].iter(), &own(interval), at(0));
        let mut indices: Vec<usize> = plan.due(at(60_000), 100).iter().map(|due| due.index).collect();
        indices.sort_unstable();
        indices
    }

    #[test]
    fn nobody_is_probed_unless_the_gateway_or_the_deployment_says_so() {
        let infos = ["", r#"{"health_check_interval": 5}"#, r#"{"disable_background_health_check": true}"#];
        assert_eq!(probed(&infos, None), [1]);
        assert_eq!(probed(&infos, Some(MINUTE)), [0, 1]);
    }

    #[test]
    fn a_deployment_says_how_it_is_asked() {
        let mut plan = Plan::default();
        let info = r#"{"health_check_interval": 1, "health_check_timeout": 2, "health_check_by": "call"}"#;
        plan.replan([model(&[info])].iter(), &own(Some(MINUTE)), at(0));
        let due = plan.due(at(1_000), 100);
        assert_eq!((due[0].timeout, due[0].by), (Duration::from_secs(2), ProbeBy::Call));
    }

    #[test]
    fn each_is_probed_once_an_interval_and_no_more_at_once_than_may_be() {
        let mut plan = Plan::default();
        let models = [model(&["", "", ""])];
        plan.replan(models.iter(), &own(Some(MINUTE)), at(0));
        assert_eq!(plan.due(at(60_000), 2).len(), 2);
        assert_eq!(plan.due(at(60_000), 2).len(), 1, "the one that waited");
        assert_eq!(plan.due(at(119_999), 100).len(), 0);
        assert_eq!(plan.due(at(120_000), 100).len(), 3);
        // Another change of the registry begins nothing anew.
        plan.replan(models.iter(), &own(Some(MINUTE)), at(130_000));
        assert_eq!(plan.due(at(179_999), 100).len(), 0);
        assert_eq!(plan.due(at(180_000), 100).len(), 3);
        // A shorter interval holds at once.
        plan.replan(models.iter(), &own(Some(Duration::from_secs(1))), at(180_000));
        assert_eq!(plan.due(at(181_000), 100).len(), 3);
    }
}
