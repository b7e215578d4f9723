//! `loadrun guard`: what stands between a run and one of its servers. Nobody types it.

use crate::error::Error;
use crate::plan::Problem;
use crate::service::guard;

/// Guards the server named in the orders on stdin, to its end.
pub fn run() -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(guard::run())) {
        Ok(()) => Ok(0),
        Err(error) => Err(vec![
            Problem::new(format!("no orders on stdin: {error}"))
                .hint("`guard` is started by a run that starts services"),
        ]
        .into()),
    }
}
