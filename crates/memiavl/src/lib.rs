//! The live memiavl multi-tree.
