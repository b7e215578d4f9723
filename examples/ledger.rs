//! What ids cost that have not landed: memory, and how exactly their times are known.
//!
//! ```sh
//! cargo run --release --example ledger -- 100
//! ```
//!
//! Argument: how many millions, a thousand a second, each answered within 64 ms. Prints a line
//! whenever there are ten times as many.

use std::time::{Duration, Instant};

use loadrun::ledger::Ledger;
use loadrun::process;

/// How many ids wait for their answer.
const UNDER_WAY: u64 = 64;

#[allow(clippy::print_stdout, reason = "an example says what it found")]
fn main() -> Result<(), String> {
    let millions = std::env::args().nth(1).ok_or("expected how many millions")?;
    let millions: u64 = millions.parse().map_err(|_| format!("not a number: {millions}"))?;
    let memory = || process::memory(std::process::id()).unwrap_or_default();
    let (before, begun) = (memory(), Instant::now());
    let mut ledger = Ledger::new();
    let mut next = 1_000_000;
    for n in 0..=millions * 1_000_000 {
        if n == next {
            let took = begun.elapsed().as_nanos() / u128::from(2 * n);
            let bytes = memory().saturating_sub(before);
            let balance = ledger.balance();
            println!(
                "{n} open: {bytes} bytes, {took} ns a call, {} lost between {:?}, known to {:?}",
                balance.lost, balance.lost_between, balance.resolution
            );
            next *= 10;
        }
        ledger.expect(&format!("order-{n}"), Duration::from_millis(n));
        if let Some(n) = n.checked_sub(UNDER_WAY) {
            let answered = Duration::from_millis(n + 5 + n * n % 47);
            ledger.acked(&format!("order-{n}"), answered);
        }
    }
    Ok(())
}
