//! Chance that can be replayed: every decision follows from the seed, the toxic's name and the
//! connection's number, not from threads, timing, or what other toxics there are.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A number from 0 up to but not including 1 that belongs to a request of a connection under a
/// fault. A toxicity above it concerns the request; request 0 stands for the connection as a whole.
/// So what a toxicity of 10 % touches, 20 % touches too.
pub fn roll(seed: u64, fault: &str, connection: u64, request: u64) -> f64 {
    let mixed = [hash(fault), connection, request].into_iter().fold(mix(seed), |mixed, part| {
        mix(mixed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17))
    });
    to_unit(mixed)
}

/// The random choices of one effect on one connection.
#[derive(Debug)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64, fault: &str, connection: u64, upstream: bool) -> Self {
        let own = mix(seed) ^ hash(fault) ^ mix(connection << 1 | u64::from(upstream));
        Self(Xoshiro256PlusPlus::seed_from_u64(own))
    }

    /// From 0 up to but not including 1.
    pub(super) fn unit(&mut self) -> f64 {
        to_unit(self.0.next_u64())
    }

    /// Normally distributed, mean 0, standard deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Pareto distributed with shape 3, moved and scaled to mean 0 and standard deviation 1: most
    /// are a little below 0, a few far above.
    pub(super) fn pareto(&mut self) -> f64 {
        let value = 1.0 / libm::cbrt(1.0 - self.unit());
        (value - 1.5) / 0.75_f64.sqrt()
    }
}

fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finalizer of `SplitMix64`: each bit of the result depends on each of `z`.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
