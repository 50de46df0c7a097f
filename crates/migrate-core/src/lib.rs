//! The migration manager, the chain of modes and the commit protocol.
