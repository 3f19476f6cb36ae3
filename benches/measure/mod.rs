//! How long is measured.

use criterion::Criterion;
use std::time::Duration;

/// Short measurements: what is looked for are changes by a factor, and all of it should take a few minutes.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .without_plots()
}
