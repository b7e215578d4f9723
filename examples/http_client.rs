//! Drives the HTTP client alone, without scripts, so that its cost can be measured from outside:
//!
//! ```sh
//! time cargo run --release --example http_client -- http://127.0.0.1:8080/ 64 10
//! ```
//!
//! Arguments: URL, how many users, seconds, and optionally how many milliseconds a user pauses
//! after each request. Prints how many requests were sent, and how many failed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loadrun::client::http::{Client, Session, Settings};
use tokio::time::Instant;

#[allow(clippy::print_stdout, reason = "an example says what it found")]
fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("expected a URL")?;
    let mut number = |default: u64| match arguments.next() {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("expected a number, not {text:?}")),
    };
    let (users, seconds, pause) = (number(64)?, number(5)?, number(0)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let client = Client::new(Settings::default())?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let (sent, failed) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
    let local = tokio::task::LocalSet::new();
    for _ in 0..users {
        let (client, url) = (Rc::clone(&client), url.clone());
        let (sent, failed) = (Rc::clone(&sent), Rc::clone(&failed));
        local.spawn_local(async move {
            let session = Session::default();
            while Instant::now() < end {
                let Ok(mut request) = client.request("GET", &url) else {
                    return;
                };
                let exchange = client.send(&session, &mut request).await;
                sent.set(sent.get() + 1);
                failed.set(failed.get() + u64::from(exchange.error.is_some()));
                if pause > 0 {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        });
    }
    runtime.block_on(local);
    println!("{} requests, {} failed", sent.get(), failed.get());
    Ok(())
}
