//! LiteLLM's names of roles.

use tallygate_core::user::Role;

/// The role of a name: LiteLLM's, or our own.
#[must_use]
pub fn of_user(name: &str) -> Option<Role> {
    match name {
        "proxy_admin" | "operator" => Some(Role::Operator),
        "admin" => Some(Role::Admin),
        "org_admin" | "realm_admin" => Some(Role::RealmAdmin),
        "internal_user" | "member" => Some(Role::Member),
        "internal_user_viewer" | "viewer" => Some(Role::Viewer),
        "proxy_admin_viewer" | "observer" => Some(Role::Observer),
        _ => None,
    }
}

/// LiteLLM's name of a role. It has none for those who manage all people and no models.
#[must_use]
pub const fn name(role: Role) -> &'static str {
    match role {
        Role::Operator => "proxy_admin",
        Role::Admin => "admin",
        Role::RealmAdmin => "org_admin",
        Role::Member => "internal_user",
        Role::Viewer => "internal_user_viewer",
        Role::Observer => "proxy_admin_viewer",
    }
}

#[cfg(test)]
mod tests {
    use super::{name, of_user};
    use tallygate_core::user::Role;

    #[test]
    fn a_role_is_read_as_it_is_named() {
        for role in [Role::Operator, Role::Admin, Role::RealmAdmin, Role::Member, Role::Viewer, Role::Observer] {
            assert_eq!((of_user(name(role)), of_user(role.name())), (Some(role), Some(role)));
        }
    }
}
