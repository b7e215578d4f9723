//! Operations of two kinds that have one name: `item` may be a request, a command and a statement.

use std::collections::{BTreeMap, BTreeSet};

use super::Outcome;
use super::operations::TIMES;

/// The names that calls of more than one kind have.
#[derive(Debug, Default)]
pub struct Namesakes(BTreeSet<String>);

impl Namesakes {
    /// Of a run.
    pub fn of(outcome: &Outcome) -> Self {
        let times = outcome.series.iter().filter(|series| TIMES.contains(&series.metric.as_str()));
        Self::among(times.filter_map(|series| Some((&*series.metric, series.tags.find("name")?))))
    }

    /// Among operations, each with its metric and its name.
    pub fn among<'a>(operations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (metric, name) in operations {
            kinds.entry(name).or_default().insert(kind(metric));
        }
        let several = kinds.into_iter().filter(|(_, kinds)| kinds.len() > 1);
        Self(several.map(|(name, _)| name.to_owned()).collect())
    }

    /// A name as it is told: with its kind where another has the same, `item (redis)`.
    pub fn tell(&self, metric: &str, name: &str) -> String {
        match kind(metric) {
            "" => name.to_owned(),
            kind if self.0.contains(name) => format!("{name} ({kind})"),
            _ => name.to_owned(),
        }
    }
}

/// The first word of a metric says what was called.
fn kind(metric: &str) -> &str {
    metric.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_kind_only_where_calls_of_another_kind_have_it() {
        let namesakes = Namesakes::among([
            ("redis.duration", "item"),
            ("sql.duration", "item"),
            ("sql.failed", "order"),
            ("sql.duration", "order"),
        ]);
        for (metric, name, told) in [
            ("redis.duration", "item", "item (redis)"),
            ("sql.failed", "item", "item (sql)"),
            ("sql.duration", "order", "order"),
            ("", "item", "item"),
        ] {
            assert_eq!(namesakes.tell(metric, name), told);
        }
    }
}
