//! The endpoints a script declares for what its target sends back: opened before any service, so
//! that a service can be told where they are, and answered by the control state.

use std::rc::Rc;

use tokio::sync::mpsc;

use crate::listen;
use crate::plan::{Problem, ServiceDecl};
use crate::script::{Vm, World};

/// What the plan calls an endpoint among its services.
pub const KIND: &str = "listener";

/// Opens every declared endpoint; each answers until the run is over. All that is wrong, at once.
pub fn open(declared: &[ServiceDecl], world: &World, control: &Rc<Vm>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for declared in declared.iter().filter(|declared| declared.kind == KIND) {
        let (asked, requests) = mpsc::unbounded_channel();
        match listen::open(asked) {
            Ok(address) => {
                world.found(&declared.name, &format!("http://{address}"), std::process::id());
                tokio::task::spawn_local(answer(
                    Rc::clone(control),
                    declared.name.clone(),
                    requests,
                ));
            }
            Err(error) => problems.push(Problem {
                what: format!("listener {:?}: cannot listen: {error}", declared.name),
                at: declared.place.clone(),
                hint: None,
            }),
        }
    }
    problems
}

/// Lets the script answer, each request for itself.
async fn answer(
    control: Rc<Vm>,
    name: String,
    mut requests: mpsc::UnboundedReceiver<listen::Asked>,
) {
    while let Some((inbound, answer)) = requests.recv().await {
        let (control, name) = (Rc::clone(&control), name.clone());
        tokio::task::spawn_local(async move {
            // Whoever asked may have gone.
            let _ = answer.send(control.answer(&name, inbound).await);
        });
    }
}
