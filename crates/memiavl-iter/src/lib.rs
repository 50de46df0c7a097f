//! A mapped memiavl snapshot and the ordered walk over it.
