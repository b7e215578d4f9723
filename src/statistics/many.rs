//! What a chance means when many were looked at: one of a hundred figures is beyond 1 % by luck.
//!
//! Each function takes the chances of all figures and answers, in their order, what to hold against
//! the level in place of each.

/// After Holm (1979): with these at 5 %, the chance that *any* figure is found by luck is 5 %,
/// whatever the figures have to do with each other.
pub fn none_by_luck(chances: &[f64]) -> Vec<f64> {
    let count = chances.len();
    let mut least = 0.0_f64;
    corrected(chances, 0..count, |rank, chance| {
        least = least.max(chance * (count - rank) as f64).min(1.0);
        least
    })
}

/// After Benjamini & Hochberg (1995): with these at 5 %, about 5 % *of those found* are so by luck;
/// where nothing has changed, the chance of any is 5 %. For figures that rise and fall together, as
/// those of one run do, this holds as well (Benjamini & Yekutieli 2001).
pub fn few_by_luck(chances: &[f64]) -> Vec<f64> {
    let count = chances.len();
    let mut most = 1.0_f64;
    corrected(chances, (0..count).rev(), |rank, chance| {
        most = most.min(chance * count as f64 / (rank + 1) as f64);
        most
    })
}

/// Goes through the chances by rank, the smallest having rank 0.
fn corrected(
    chances: &[f64],
    ranks: impl Iterator<Item = usize>,
    mut correct: impl FnMut(usize, f64) -> f64,
) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]));
    let mut corrected = vec![1.0; chances.len()];
    for rank in ranks {
        corrected[order[rank]] = correct(rank, chances[order[rank]]);
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_corrected_as_r_does() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"), and the same with "BH".
        let chances = [0.01, 0.04, 0.03, 0.005];
        for (corrected, expected) in [
            (none_by_luck(&chances), [0.03, 0.06, 0.06, 0.02]),
            (few_by_luck(&chances), [0.02, 0.04, 0.04, 0.02]),
        ] {
            for (corrected, expected) in corrected.iter().zip(expected) {
                assert!((corrected - expected).abs() < 1e-12, "{corrected} {expected}");
            }
        }
        assert!(none_by_luck(&[]).is_empty() && few_by_luck(&[]).is_empty());
        assert_eq!(none_by_luck(&[0.6, 0.9]), [1.0, 1.0]);
    }
}
