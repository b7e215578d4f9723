//! The practice target as a service: `loadrun sandbox` as a child process.

use std::path::Path;

use crate::plan::ServiceDecl;

use super::Launch;

/// The kind a declaration names.
pub const KIND: &str = "sandbox";

/// What the child prints, before its address, when it is ready.
const READY: &str = "listening on ";

/// Turns the declaration into a command line: option `name = value` becomes `--name=value`.
///
/// The child's own command line says what is wrong with an option, so nothing is checked twice.
pub(super) fn launch(decl: &ServiceDecl, exe: &Path) -> Launch {
    let mut arguments = ["sandbox", "--stdin-guard", "--own-tmpdir"].map(str::to_owned).to_vec();
    for (name, value) in &decl.options {
        arguments.push(format!("--{}={value}", name.replace('_', "-")));
    }
    Launch {
        name: decl.name.clone(),
        program: exe.to_owned(),
        arguments,
        ready: READY.to_owned(),
        ready_within: Launch::READY_WITHIN,
        stop_within: Launch::STOP_WITHIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_becomes_a_flag() {
        let decl = ServiceDecl {
            name: "practice".into(),
            kind: KIND.into(),
            options: [("capacity", "200"), ("latency", "normal 50ms 10ms")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        let launch = launch(&decl, Path::new("/bin/loadrun"));
        assert_eq!(
            launch.arguments,
            [
                "sandbox",
                "--stdin-guard",
                "--own-tmpdir",
                "--capacity=200",
                "--latency=normal 50ms 10ms"
            ]
        );
    }
}
