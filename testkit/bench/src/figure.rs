//! One measured figure.

/// What a figure should not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// So many times what the plain operator takes in the same run.
    OfPeer(f64),
    /// So many times its floor.
    OfFloor(f64),
    /// That value itself.
    AtMost(f64),
}

/// A row of the table, for one subject. Less is better in every one.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured; figures of the same name share a row.
    pub what: String,
    /// The unit, empty for a plain number.
    pub unit: &'static str,
    /// How much it was.
    pub value: f64,
    /// What it cannot be less than.
    pub floor: Option<f64>,
    /// What ours should keep to.
    pub target: Option<Target>,
}

impl Figure {
    /// A figure without floor and target.
    pub fn new(what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            what: what.into(),
            unit,
            value,
            floor: None,
            target: None,
        }
    }

    /// What it cannot be less than.
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    /// What ours should keep to.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }
}

/// The value below which that share of the values lies; 0 of none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&values, 1.0), 100.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
