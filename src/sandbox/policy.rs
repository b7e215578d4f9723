//! The role policy behind `POST /authorize`: a short table, read from the top, denied by default.

/// What a rule says about the requests it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    Allow,
    Deny,
}

/// One line of the policy; `*` matches anything, `items/*` anything below `items`.
struct Rule {
    ruling: Ruling,
    role: &'static str,
    action: &'static str,
    resource: &'static str,
}

/// The first rule that matches decides.
const POLICY: &[Rule] = &[
    rule(Ruling::Deny, "*", "delete", "audit/*"),
    rule(Ruling::Allow, "admin", "*", "*"),
    rule(Ruling::Allow, "writer", "read", "*"),
    rule(Ruling::Allow, "writer", "write", "items/*"),
    rule(Ruling::Allow, "reader", "read", "items/*"),
];

const fn rule(
    ruling: Ruling,
    role: &'static str,
    action: &'static str,
    resource: &'static str,
) -> Rule {
    Rule { ruling, role, action, resource }
}

/// Whether `role` may do `action` to `resource`, and why.
pub(super) fn authorize(role: &str, action: &str, resource: &str) -> (bool, String) {
    let decisive = POLICY.iter().find(|rule| {
        matches(rule.role, role) && matches(rule.action, action) && matches(rule.resource, resource)
    });
    match decisive {
        None => (false, format!("no rule lets {role} {action} {resource}")),
        Some(rule) => {
            let allowed = rule.ruling == Ruling::Allow;
            let verb = if allowed { "may" } else { "may not" };
            (allowed, format!("{} {verb} {} {}", rule.role, rule.action, rule.resource))
        }
    }
}

fn matches(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => pattern == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        for (role, action, resource, allowed, reason) in [
            ("admin", "delete", "items/7", true, "admin may * *"),
            ("admin", "delete", "audit/7", false, "* may not delete audit/*"),
            ("writer", "write", "items/7", true, "writer may write items/*"),
            ("writer", "write", "users/7", false, "no rule lets writer write users/7"),
            ("reader", "read", "items/7", true, "reader may read items/*"),
            ("reader", "write", "items/7", false, "no rule lets reader write items/7"),
            ("", "read", "items/7", false, "no rule lets  read items/7"),
        ] {
            assert_eq!(authorize(role, action, resource), (allowed, reason.to_owned()));
        }
    }
}
