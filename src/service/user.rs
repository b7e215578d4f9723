//! Whom a server runs as that refuses to run as root.

use std::fs;

use rustix::process::getuid;

use super::ServiceError;
use super::guard::User;

/// Whom a server that refuses to run as root runs as: the first of these users there is; `None`
/// when this process is not root, and the server runs as whoever this is.
pub(super) fn ordinary(service: &str, names: &[&str]) -> Result<Option<User>, ServiceError> {
    if !getuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = names.iter().find_map(|name| user(&users, name));
    found.map(Some).ok_or_else(|| ServiceError {
        what: format!(
            "service {service:?}: the server refuses to run as root, and this machine has none of \
             the users {}",
            names.join(", ")
        ),
        hint: Some("run loadrun as an ordinary user".to_owned()),
    })
}

/// A user in the text of `/etc/passwd`; never root.
fn user(users: &str, name: &str) -> Option<User> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
    let user = User { uid: found.get(2)?.parse().ok()?, gid: found.get(3)?.parse().ok()? };
    (user.uid != 0).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_root_is_none() {
        let users = "root:x:0:0:root:/root:/bin/sh\nmysql:x:102:105:MySQL,,,:/nowhere:/bin/false\n";
        assert_eq!(user(users, "mysql"), Some(User { uid: 102, gid: 105 }));
        assert_eq!(user(users, "root"), None);
        assert_eq!(user(users, "nobody"), None);
    }
}
