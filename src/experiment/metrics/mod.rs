//! Metrics: what a run's summary says, by name and unit. A row of [`METRICS`] is a metric's whole definition.

mod table;

use crate::record::Summary;
pub use table::METRICS;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither.
    Neither,
}

/// What a value is, besides a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A quantity of a run.
    Quantity,
    /// It rests on prices: where a price is unknown there is no value.
    Money,
    /// A share of trials (right or wrong): the mean over runs is a proportion.
    Proportion,
}

/// A metric: name, unit, meaning, and how a run's summary tells its value.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name, unit last where it has one.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// What a value is.
    pub kind: Kind,
    /// Meaning in a sentence.
    pub meaning: &'static str,
    /// Its value, if a run has one.
    value: fn(&Summary) -> Option<f64>,
}

impl Metric {
    /// Whether a run's value is a share of trials, so that the mean over runs is a proportion.
    pub fn is_share(&self) -> bool {
        self.kind == Kind::Proportion
    }
}

/// A metric by name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.name == name)
}

/// The values of one run: of each metric that has one, in the order of [`METRICS`]. A study keeps these of every run
/// and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// One bit per metric that has a value, the first lowest.
    present: u128,
    values: Box<[f64]>,
}

const _: () = assert!(METRICS.len() <= u128::BITS as usize, "a bit per metric");

impl Measures {
    /// Measures a run. Where a price is unknown, what rests on prices has no value: unknown is not 0.
    pub fn of(summary: &Summary, prices_are_known: bool) -> Self {
        let mut present = 0;
        let mut values = Vec::with_capacity(METRICS.len());
        for (i, metric) in METRICS.iter().enumerate() {
            let value = (metric.value)(summary).filter(|value| value.is_finite());
            if let Some(value) = value.filter(|_| prices_are_known || metric.kind != Kind::Money) {
                present |= 1 << i;
                values.push(value);
            }
        }
        Self { present, values: values.into() }
    }

    /// Every metric that has a value, with its place in [`METRICS`].
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> {
        let places = (0..METRICS.len()).filter(|i| self.present >> i & 1 == 1);
        places.zip(self.values.iter().copied())
    }

    /// The value of a metric, if the run has one.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(i, _)| METRICS[*i].name == name).map(|(_, value)| value)
    }
}
