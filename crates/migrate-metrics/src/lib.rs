//! Prometheus metrics of a migration.
