//! A long run in legs: each has a seed of its own, and their figures are added up.

use serde_json::{Map, Value, json};

/// `new` added to what was kept of a layer; alone, if nothing was, or if it repeats the seed of a leg that is kept.
///
/// Numbers are added, lists put behind each other, and everything else is the newer leg's.
pub(super) fn join(kept: Value, new: Value) -> Value {
    let seeds = |report: &Value| report["legs"].as_array().cloned().unwrap_or_else(|| vec![report["seed"].clone()]);
    // What a fuzzer or a damaged byte meets has no seed to speak of: the newer run is the one that counts.
    let adds_up = kept["violations"].is_array() && kept["targets"].is_null() && kept["ledger"].is_null();
    if !adds_up || seeds(&kept).contains(&new["seed"]) {
        return new;
    }
    let legs = [seeds(&kept), seeds(&new)].concat();
    let mut joined = Map::new();
    for key in ["schema_version", "layer", "seed"] {
        joined.insert(key.to_owned(), new[key].clone());
    }
    for (key, value) in new.as_object().into_iter().flatten().chain(kept.as_object().into_iter().flatten()) {
        if !["schema_version", "layer", "seed", "legs"].contains(&key.as_str()) {
            let slot = joined.entry(key.clone()).or_insert(Value::Null);
            *slot = sum(slot.take(), value);
        }
    }
    joined.insert("legs".to_owned(), json!(legs));
    Value::Object(joined)
}

fn sum(a: Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Null, b) => b.clone(),
        (Value::Number(a), Value::Number(b)) => match (a.as_u64(), b.as_u64()) {
            (Some(a), Some(b)) => json!(a.saturating_add(b)),
            _ => json!(a.as_f64().unwrap_or_default() + b.as_f64().unwrap_or_default()),
        },
        (Value::Array(a), Value::Array(b)) => json!([a.as_slice(), b.as_slice()].concat()),
        (Value::Object(mut a), Value::Object(b)) => {
            for (key, value) in b {
                let slot = a.entry(key.clone()).or_insert(Value::Null);
                *slot = sum(slot.take(), value);
            }
            Value::Object(a)
        }
        (a, _) => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(seed: u64, images: u64, violations: &[&str]) -> Value {
        json!({
            "schema_version": 1, "layer": "crash", "seed": seed, "seconds": 0.5,
            "figures": {"images": images}, "per_phase": {"birth": {"images": images}}, "violations": violations,
        })
    }

    #[test]
    fn legs_of_other_seeds_add_up() {
        let joined = join(join(Value::Null, leg(7, 10, &["first"])), leg(8, 5, &[]));
        assert_eq!(joined["legs"], json!([7, 8]));
        assert_eq!(joined["figures"]["images"], 15);
        assert_eq!(joined["per_phase"]["birth"]["images"], 15);
        assert_eq!(joined["seconds"], 1.0);
        assert_eq!(joined["violations"], json!(["first"]));
        assert_eq!(joined["schema_version"], 1);
    }

    #[test]
    fn a_leg_that_is_run_again_stands_alone() {
        let kept = join(leg(7, 10, &["first"]), leg(8, 5, &[]));
        assert_eq!(join(kept, leg(7, 3, &[])), leg(7, 3, &[]));
    }

    #[test]
    fn what_is_complete_in_itself_is_replaced() {
        let fuzz = json!({"layer": "fuzz", "seed": 1, "targets": [], "violations": []});
        let newer = json!({"layer": "fuzz", "seed": 2, "targets": [], "violations": []});
        assert_eq!(join(fuzz, newer.clone()), newer);
    }
}
