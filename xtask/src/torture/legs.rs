//! A long run in legs: each has a seed of its own, and their figures are added up.

use serde_json::{Map, Value, json};

/// `new` added to what was kept of a layer; alone, if nothing was, or if it repeats the seed of a leg that is kept.
///
/// Numbers are added, lists put behind each other, and everything else is the newer leg's. Fuzzers are kept by name: of one
/// that ran in both the newer run counts.
pub(super) fn join(kept: Value, new: Value) -> Value {
    if let (Some(before), Some(after)) = (kept["targets"].as_array(), new["targets"].as_array()) {
        return of_targets(before, after, &kept, &new);
    }
    let seeds = |report: &Value| report["legs"].as_array().cloned().unwrap_or_else(|| vec![report["seed"].clone()]);
    // What a fuzzer or a damaged byte meets has no seed to speak of: the newer run is the one that counts.
    let adds_up = kept["violations"].is_array() && kept["targets"].is_null() && kept["ledger"].is_null();
    if !adds_up || seeds(&kept).contains(&new["seed"]) {
        return new;
    }
    let legs = [seeds(&kept), seeds(&new)].concat();
    let mut joined = parts(&kept, &new);
    joined["legs"] = json!(legs);
    joined
}

/// Two reports of a layer as one: parts of a run that were run by themselves, lives of a seed for example.
pub(super) fn parts(a: &Value, b: &Value) -> Value {
    let mut joined = Map::new();
    for key in ["schema_version", "layer", "seed"] {
        joined.insert(key.to_owned(), b[key].clone());
    }
    for (key, value) in b.as_object().into_iter().flatten().chain(a.as_object().into_iter().flatten()) {
        if !["schema_version", "layer", "seed", "legs"].contains(&key.as_str()) {
            let slot = joined.entry(key.clone()).or_insert(Value::Null);
            *slot = sum(slot.take(), value);
        }
    }
    Value::Object(joined)
}

fn of_targets(before: &[Value], after: &[Value], kept: &Value, new: &Value) -> Value {
    let ran_again = |row: &&Value| !after.iter().any(|newer| newer["target"] == row["target"]);
    let mut targets: Vec<Value> = before.iter().filter(ran_again).chain(after).cloned().collect();
    targets.sort_by(|a, b| a["target"].as_str().cmp(&b["target"].as_str()));
    let numbers = |name: &str| targets.iter().map(|row| row[name].as_u64().unwrap_or_default()).collect::<Vec<_>>();
    let (seconds, executions) = (numbers("seconds"), numbers("executions"));
    let both = [kept, new];
    let violations = both.iter().flat_map(|report| report["violations"].as_array().into_iter().flatten());
    json!({
        "schema_version": new["schema_version"], "layer": new["layer"], "seed": new["seed"],
        "seconds": seconds.iter().sum::<u64>(),
        "figures": {
            "targets": targets.len(),
            "executions": executions.iter().sum::<u64>(),
            "shortest_target_seconds": seconds.iter().min(),
        },
        "violations": violations.cloned().collect::<Vec<_>>(),
        "targets": targets,
    })
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
    fn parts_of_a_run_add_up_whatever_their_seed() {
        let joined = parts(&leg(7, 10, &[]), &leg(7, 5, &["second"]));
        assert_eq!((&joined["figures"]["images"], &joined["seed"]), (&json!(15), &json!(7)));
        assert_eq!((&joined["violations"], &joined["legs"]), (&json!(["second"]), &Value::Null));
    }

    #[test]
    fn a_leg_that_is_run_again_stands_alone() {
        let kept = join(leg(7, 10, &["first"]), leg(8, 5, &[]));
        assert_eq!(join(kept, leg(7, 3, &[])), leg(7, 3, &[]));
    }

    #[test]
    fn what_is_complete_in_itself_is_replaced() {
        let damage = json!({"layer": "damage", "seed": 1, "ledger": [], "violations": []});
        let newer = json!({"layer": "damage", "seed": 2, "ledger": [], "violations": []});
        assert_eq!(join(damage, newer.clone()), newer);
    }

    #[test]
    fn fuzzers_are_kept_by_name_and_the_newer_run_of_one_counts() {
        let row = |target: &str, seconds: u64, executions: u64| json!({"target": target, "seconds": seconds, "executions": executions});
        let fuzz = |seed: u64, targets: &[Value], violations: &[&str]| json!({"schema_version": 1, "layer": "fuzz", "seed": seed, "targets": targets, "violations": violations});
        let kept = fuzz(1, &[row("boundary", 601, 70), row("messages", 601, 10)], &["old"]);
        let joined = join(kept, fuzz(2, &[row("boundary", 600, 7), row("http", 610, 3)], &["new"]));
        assert_eq!(joined["targets"], json!([row("boundary", 600, 7), row("http", 610, 3), row("messages", 601, 10)]));
        let figures = json!({"targets": 3, "executions": 20, "shortest_target_seconds": 600});
        assert_eq!((&joined["figures"], &joined["seconds"]), (&figures, &json!(1811)));
        assert_eq!(joined["violations"], json!(["old", "new"]), "what was found stays found");
    }
}
