//! Removing a realm. What nests in it must go first; its keys are refused from then on, and its history stays.

use serde::{Deserialize, Serialize};

use super::{Event, Rejection, change, registered};
use crate::control::{Change, Control};
use crate::id::RealmId;

/// Asks that a realm be there no more, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRealm {
    /// Which realm.
    pub realm: RealmId,
}

/// A realm is there no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which realm.
    pub realm: RealmId,
}

/// Decides [`RemoveRealm`]. Looks through all realms, of which there are few.
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveRealm) -> Result<Vec<Change>, Rejection> {
    let realm = registered(state, &command.realm)?;
    if command.realm == RealmId::default_realm() {
        return Err(Rejection::IsDefault);
    }
    let nests = |(_, other): &(_, &std::sync::Arc<super::Realm>)| {
        other.removed.is_none() && other.parent.as_ref() == Some(&command.realm)
    };
    if let Some((child, _)) = state.realms.iter().find(nests) {
        return Err(Rejection::HasChildren { realm: command.realm.clone(), child: child.clone() });
    }
    Ok(vec![change(realm, Event::Removed(Removed { realm: command.realm.clone() }))])
}

#[cfg(test)]
mod tests {
    use super::RemoveRealm;
    use crate::admission::{Rule, authenticate};
    use crate::key::{IssueKey, KeyHash};
    use crate::realm::SuspendRealm;
    use crate::testing::samples::{id, issue_key, key_id, register_realm, secret};
    use crate::testing::world::World;

    fn remove(realm: &str) -> RemoveRealm {
        RemoveRealm { realm: id(realm) }
    }

    #[test]
    fn a_removed_realm_is_not_there_for_any_command_and_its_id_stays_taken() {
        let mut world = World::new().with_realm("acme", None).with(remove("acme"));
        let code = |world: &mut World, command: crate::command::Command| {
            world.try_carry_out(command).map(drop).unwrap_err().code()
        };
        assert_eq!(code(&mut world, remove("acme").into()), "realm_not_registered");
        assert_eq!(code(&mut world, SuspendRealm { realm: id("acme") }.into()), "realm_not_registered");
        let key = IssueKey { realm: id("acme"), ..issue_key(1) };
        assert_eq!(code(&mut world, key.into()), "realm_not_registered");
        assert_eq!(code(&mut world, register_realm("acme").into()), "realm_already_registered");
    }

    #[test]
    fn a_realm_that_others_nest_in_and_the_first_one_are_not_removed() {
        let mut world = World::new().with_realm("acme", None).with_realm("acme.eu", Some("acme"));
        let refused = world.try_carry_out(remove("acme")).map(drop).unwrap_err();
        assert_eq!(refused.code(), "realm_has_children");
        assert_eq!(world.try_carry_out(remove("default")).map(drop).unwrap_err().code(), "realm_is_default");
        let _ = world.with(remove("acme.eu")).with(remove("acme"));
    }

    #[test]
    fn the_keys_of_a_removed_realm_are_refused_by_the_event_that_removed_it() {
        let mut world = World::new().with_realm("acme", None).with(IssueKey { realm: id("acme"), ..issue_key(1) });
        let removed = world.carry_out(remove("acme")).remove(0);
        let key = world.control.keys.get(&key_id(1)).unwrap();
        let refusal = authenticate(&world.control, key, &KeyHash::of_secret(&secret(1)), world.now).unwrap_err();
        assert_eq!((refusal.rule, refusal.cause), (Rule::RealmUnknown, vec![removed.position]));
    }
}
