//! What a call is called when the script does not say: its method and path, with ids hidden.
//!
//! A name is a series, so names must be few: what looks like the id of one thing among many is
//! written `{id}`, and host and query do not count.

/// What a call is known by: chosen by the script, or made from its method and target.
#[derive(Clone, Copy, Debug)]
pub enum Naming<'a> {
    /// The option `name`.
    Given(&'a [u8]),
    /// Method and target, from which a name is made.
    Made(&'a str, &'a [u8]),
    /// The command, which is a tag of its own and the name where the script gives none.
    Command(&'a str, Option<&'a [u8]>),
}

impl<'a> Naming<'a> {
    /// The tag that follows from it besides the name.
    pub fn tag(self) -> Option<(&'static str, &'a str)> {
        match self {
            Self::Command(command, _) => Some(("command", command)),
            Self::Given(_) | Self::Made(..) => None,
        }
    }

    /// Appends the name of the sample. Calls that differ in their ids alone have one name.
    pub fn write(self, name: &mut Vec<u8>) {
        match self {
            Self::Given(given) | Self::Command(_, Some(given)) => name.extend(given),
            Self::Command(command, None) => name.extend(command.as_bytes()),
            Self::Made(method, target) => {
                name.extend(method.as_bytes());
                name.push(b' ');
                for (at, part) in path(target).split(|byte| *byte == b'/').enumerate() {
                    if at > 0 {
                        name.push(b'/');
                    }
                    name.extend(if is_id(part) { b"{id}" } else { part });
                }
            }
        }
    }
}

/// The path of a target: without scheme and host, query and fragment.
fn path(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let target = &target[..end];
    if target.first() == Some(&b'/') {
        return target;
    }
    match target.windows(3).position(|three| three == b"://") {
        None => target,
        Some(scheme) => {
            let host = &target[scheme + 3..];
            host.iter().position(|byte| *byte == b'/').map_or(b"/", |slash| &host[slash..])
        }
    }
}

/// Does this segment of a path look like it names one thing among many?
fn is_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    let all = |accept: fn(&u8) -> bool| segment.iter().all(accept);
    if digits == 0 {
        return false;
    }
    digits == segment.len()
        || (segment.len() >= 8 && all(|byte| byte.is_ascii_hexdigit() || *byte == b'-'))
        || (segment.len() >= 20
            && all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_name_hides_ids_host_and_query() {
        for (target, name) in [
            ("/items/17?page=2", "GET /items/{id}"),
            ("/", "GET /"),
            ("http://127.0.0.1:80/a/9", "GET /a/{id}"),
            ("http://127.0.0.1:80", "GET /"),
            ("/u/6f9619ff-8b86-d011-b42d-00cf4fc964ff/x", "GET /u/{id}/x"),
            ("/blob/deadbeef01", "GET /blob/{id}"),
            ("/feedback/v2", "GET /feedback/v2"),
            ("/m/SM1a2B3c4D5e6F7g8H9i0JkL", "GET /m/{id}"),
            ("/internationalization-guide", "GET /internationalization-guide"),
        ] {
            let mut made = Vec::new();
            Naming::Made("GET", target.as_bytes()).write(&mut made);
            assert_eq!(String::from_utf8(made).unwrap(), name);
        }
    }
}
