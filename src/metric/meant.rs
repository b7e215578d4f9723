//! What conditions mean: which series by their tags, and which phases of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Edges, Filter, Kind, Merge, Phase, Tags, Total};

/// What series of one metric that match received together; none when no sample matched.
///
/// Only a rate's hits carry the tag `kind`, so a condition on it narrows these and leaves what
/// they are a share of as it is. `phase` is no tag, and `fault` only a few metrics': where a series
/// has no such tag, they say which phases count, and `total` is told their numbers.
pub(super) fn gather<'a, T>(
    filters: &[Filter],
    edges: Option<&Edges>,
    series: impl Iterator<Item = (&'a Tags, Kind, T)>,
    mut total: impl FnMut(T, Option<&[u32]>) -> Option<Total>,
) -> Option<Total> {
    let mut found: Option<Total> = None;
    for (tags, kind, series) in series {
        let (of_phases, of_tags): (Vec<_>, Vec<_>) =
            filters.iter().partition(|filter| speaks_of_phases(filter, tags));
        let (narrow, wide): (Vec<_>, Vec<_>) =
            of_tags.into_iter().partition(|filter| kind == Kind::Rate && filter.key == "kind");
        let meant = |filters: &[&Filter]| filters.iter().all(|f| f.matches(tags));
        if !meant(&wide) {
            continue;
        }
        let phases = (!of_phases.is_empty())
            .then(|| edges.map(|edges| edges.meant(&of_phases)).unwrap_or_default());
        let Some(mut part) = total(series, phases.as_deref()) else {
            continue;
        };
        if let Total::Rate { hits, .. } = &mut part
            && !meant(&narrow)
        {
            *hits = 0;
        }
        match &mut found {
            Some(found) => found.merge(&part),
            None => found = Some(part),
        }
    }
    found
}

/// Whether a condition is one on the phase, of a series with these tags.
fn speaks_of_phases(filter: &Filter, tags: &Tags) -> bool {
    Phase::KEYS.contains(&filter.key.as_str()) && tags.find(&filter.key).is_none()
}

/// What was received in these phases together.
pub(super) fn of_phases(by_phase: &BTreeMap<u32, Total>, phases: &[u32]) -> Option<Total> {
    let mut parts = phases.iter().filter_map(|phase| by_phase.get(phase));
    let mut sum = parts.next()?.clone();
    parts.for_each(|part| sum.merge(part));
    Some(sum)
}

/// How long the phases these conditions mean were; all the run where they mean none in particular.
pub(super) fn length(edges: Option<&Edges>, filters: &[Filter], elapsed: Duration) -> Duration {
    let filters: Vec<_> =
        filters.iter().filter(|filter| speaks_of_phases(filter, &Tags::default())).collect();
    match edges {
        Some(edges) if !filters.is_empty() => edges.length(&edges.meant(&filters), elapsed),
        _ => elapsed,
    }
}
