//! Nothing but tests: memiavl's proofs under the field's own ICS-23 verifier.
