//! The script's own clients as something that can be broken: what a fault is on is a proxy within the
//! engine, through which the connections of such a client are led. A client that no fault is on
//! connects as it always did.

use std::sync::Arc;

use super::context::Context;
use crate::fault::Thing;
use crate::plan::ServiceDecl;
use crate::wire::frame::Protocol;
use crate::wire::proxy::Proxy;

/// The option of a declared proxy that says that it is one within the engine.
pub const WITHIN: &str = "within";

/// What results call a client: `http.client`, `http.client-2`, as declared.
pub(super) fn name(context: &Context, call: &str) -> String {
    let mut declared = context.declared.borrow_mut();
    let nth = declared.clients.iter().filter(|known| *known == call).count() + 1;
    declared.clients.push(call.to_owned());
    if nth == 1 { call.to_owned() } else { format!("{call}-{nth}") }
}

/// The proxy for the connections of a client, the same in every state, declared like any other.
pub(super) fn link(context: &Context, client: &str, protocol: Option<Protocol>) -> Arc<Proxy> {
    let world = &context.world;
    let mut declared = context.declared.borrow_mut();
    if !declared.services.iter().any(|known| known.name == client) {
        let spoken = protocol.map(|protocol| ("protocol".to_owned(), protocol.name().to_owned()));
        let within = (WITHIN.to_owned(), "true".to_owned());
        declared.services.push(ServiceDecl {
            name: client.to_owned(),
            kind: Thing::PROXY.to_owned(),
            options: spoken.into_iter().chain([within]).collect(),
            ..ServiceDecl::default()
        });
    }
    world.kept(client, || Proxy::within(protocol, world.source.seed))
}
