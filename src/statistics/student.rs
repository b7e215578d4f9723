//! Student's t distribution, with any positive number of degrees of freedom.
//!
//! `P(|T| > t) = I_x(v/2, 1/2)` with `x = v / (v + t^2)`, the regularised incomplete beta function
//! (Abramowitz & Stegun 26.7.1), by its continued fraction (DLMF 8.17.22).

/// The chance that |T| exceeds `t`, which is not negative.
pub fn two_sided(t: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The `t` that |T| exceeds with the chance `p`.
pub fn critical(p: f64, freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided(high, freedom) > p && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle, freedom) > p { low = middle } else { high = middle }
    }
    high
}

/// The regularised incomplete beta function.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let whole = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let front = (whole + a * x.ln() + b * (1.0 - x).ln()).exp();
    // The fraction converges fast on this side only.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction, by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let nonzero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut over = 1.0;
    let mut under = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = under;
    for m in (1..500).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for term in [even, odd] {
            under = 1.0 / nonzero(1.0 + term * under);
            over = nonzero(1.0 + term / over);
            step = over * under;
            value *= step;
        }
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_are_those_of_the_tables() {
        for (p, freedom, table) in [
            (0.05, 1.0, 12.706),
            (0.05, 2.0, 4.303),
            (0.05, 10.0, 2.228),
            (0.01, 5.0, 4.032),
            (0.10, 30.0, 1.697),
            (0.001, 20.0, 3.850),
            (0.05, 1e6, 1.960),
        ] {
            let t = critical(p, freedom);
            assert!((t - table).abs() < 0.001, "p {p}, {freedom} degrees: {t}, not {table}");
            assert!((two_sided(t, freedom) - p).abs() < 1e-9);
        }
    }

    #[test]
    fn no_difference_has_chance_one_and_an_endless_one_none() {
        assert!((two_sided(0.0, 3.0) - 1.0).abs() < 1e-12);
        assert!(two_sided(1e12, 3.0) < 1e-12);
    }
}
