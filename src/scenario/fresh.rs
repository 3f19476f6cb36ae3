//! The fresh values of a run.

use super::model::Scenario;
use super::pattern::{Fresh, Pattern, Shape};
use super::visit::{for_patterns, walk};
use serde_json::{Map, Value};

/// Makes the values of all `<fresh ..>` places of a scenario.
///
/// The keys are the places (the byte offset of the pattern, as text), so that a trace can be judged again with the same
/// values. `random` gives 64 random bits a call.
pub fn freshen(scenario: &Scenario, random: &mut dyn FnMut() -> u64) -> Map<String, Value> {
    let mut map = Map::new();
    let mut visit = |pattern: &Pattern| {
        walk(pattern, &mut |p| {
            if let Shape::Fresh(fresh) = &p.shape {
                map.entry(p.span.start.to_string()).or_insert_with(|| make(fresh, random));
            }
        });
    };
    for (_, pattern) in &scenario.given {
        visit(pattern);
    }
    if let Some(opening) = &scenario.opening {
        opening.params.iter().chain(&opening.result).for_each(&mut visit);
    }
    for_patterns(&scenario.exchange, &mut visit);
    map
}

fn make(fresh: &Fresh, random: &mut dyn FnMut() -> u64) -> Value {
    match fresh {
        Fresh::Integer { min, max } => {
            let width = u64::try_from(max.saturating_sub(*min)).unwrap_or(0).saturating_add(1);
            Value::from(min.saturating_add(i64::try_from(random() % width.max(1)).unwrap_or(0)))
        }
        Fresh::Text => Value::from(format!("fresh-{:016x}", random())),
        Fresh::Uuid => {
            let (a, b) = (random(), random());
            Value::from(format!(
                "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                a >> 32,
                (a >> 16) & 0xffff,
                a & 0xfff,
                0x8000 | ((b >> 48) & 0x3fff),
                b & 0xffff_ffff_ffff
            ))
        }
    }
}
