//! The facade: one node state store before, during and after the migration.
