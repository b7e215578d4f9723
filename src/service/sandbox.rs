//! The practice target as a service: the command `loadrun sandbox`.

use super::command::{ENVIRONMENT, ENVIRONMENT_OF};
use super::guard::{Orders, Program};
use super::probe::Probe;
use super::process::{Launch, Ready};
use super::setting::pairs;
use super::{Place, Site};
use crate::plan::ServiceDecl;

/// The kind a declaration names.
pub const KIND: &str = "sandbox";

/// Turns the declaration into a command line: option `name = value` becomes `--name=value`. Where
/// its dependencies are stands in its environment, as with a command.
///
/// The child's own command line says what is wrong with an option, so nothing is checked twice.
/// Its port is chosen here: started again it has to be where it was.
pub(super) fn launch(decl: &ServiceDecl, site: &Site, place: &Place) -> Launch {
    let mut arguments = vec!["sandbox".to_owned(), format!("--port={}", place.port)];
    for (name, value) in decl.options.iter().chain(&decl.secrets) {
        if !name.starts_with(ENVIRONMENT) && !name.starts_with(ENVIRONMENT_OF) {
            arguments.push(format!("--{}={value}", name.replace('_', "-")));
        }
    }
    let variables = pairs(&decl.secrets, ENVIRONMENT);
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let server = Program { file: site.exe.clone(), arguments, environment, ..Program::default() };
    let probe = Probe::Url(format!("http://127.0.0.1:{}/health", place.port));
    Launch {
        name: decl.name.clone(),
        orders: Orders::new(place.folder.clone(), server),
        port: Some(place.port),
        ready: Ready { line: Some("listening on ".to_owned()), probe: Some(probe), url: None },
        ready_within: Launch::READY_WITHIN,
        reasons: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_becomes_a_flag_and_a_dependency_a_variable() {
        let decl = ServiceDecl {
            name: "practice".into(),
            kind: KIND.into(),
            options: [
                ("capacity", "200"),
                ("env_of.LOADRUN_SANDBOX_REDIS", "redis"),
                ("latency", "normal 50ms 10ms"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            secrets: [("env.LOADRUN_SANDBOX_REDIS".to_owned(), "redis://x".to_owned())].into(),
            ..ServiceDecl::default()
        };
        let site = Site { exe: "/bin/loadrun".into(), folder: "/".into() };
        let place = Place::new("practice").unwrap();
        let server = launch(&decl, &site, &place).orders.server;
        assert_eq!(server.file, site.exe);
        let port = format!("--port={}", place.port);
        let flags = ["sandbox", &port, "--capacity=200", "--latency=normal 50ms 10ms"];
        assert_eq!(server.arguments, flags);
        let variable = ("LOADRUN_SANDBOX_REDIS".to_owned(), "redis://x".to_owned());
        assert_eq!(server.environment, [variable]);
    }
}
