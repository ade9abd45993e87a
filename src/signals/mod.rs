//! What schedulers and monitors are told of a run: metrics for Prometheus, events of OpenLineage.

pub mod lineage;
pub mod metrics;
