//! Summaries, quantiles and intervals over plain numbers.
//!
//! Invariant: no word of any domain, no global state; the same numbers in the same order, or the same seed, give the
//! same bits on every machine (transcendental functions are libm's).

pub mod distance;
pub mod histogram;
pub mod interval;
mod multiple;
pub mod proportion;
pub mod quantile;
pub mod student;
pub mod sum;
pub mod summary;
mod unpaired;

pub use distance::ks_distance;
pub use histogram::Histogram;
pub use interval::{Interval, Paired, SEEN, bootstrap_interval, cluster_bootstrap, paired, resampled};
pub use multiple::{holm, paired_p_value};
pub use proportion::{clopper_pearson, paired_share_interval, share_interval};
pub use quantile::quantile;
pub use student::student_t_quantile;
pub use sum::ExactSum;
pub use summary::Summary;
pub use unpaired::unpaired;
