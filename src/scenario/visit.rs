//! Every pattern of a scenario, in the order of the file.

use super::model::{Step, StepBody, Verb};
use super::pattern::{Pattern, Shape};

/// Visits a pattern and all patterns in it.
pub fn walk(pattern: &Pattern, visit: &mut dyn FnMut(&Pattern)) {
    visit(pattern);
    match &pattern.shape {
        Shape::OneOf(all) | Shape::Array(all) | Shape::Contains(all) | Shape::Overlay(all) => {
            for each in all {
                walk(each, visit);
            }
        }
        Shape::Each(inner) => walk(inner, visit),
        Shape::Object(members) => {
            for member in members {
                walk(&member.name, visit);
                walk(&member.value, visit);
            }
        }
        _ => {}
    }
}

/// Visits the patterns of steps, blocks included, in the order of the file.
pub fn for_patterns(steps: &[Step], visit: &mut dyn FnMut(&Pattern)) {
    for step in steps {
        match &step.body {
            StepBody::Act(act) => {
                let p = &act.payload;
                p.params.iter().chain(&p.result).chain(&p.error).for_each(&mut *visit);
                if let Some(http) = &act.http {
                    let all = http.status.iter().chain(&http.headers).chain(&http.body).chain(&http.last_id);
                    all.chain(&http.retry).for_each(&mut *visit);
                }
                if let Verb::Sends { bytes } = &act.verb {
                    visit(bytes);
                }
            }
            StepBody::May { steps, .. } => for_patterns(steps, visit),
            StepBody::Choose { branches, .. } | StepBody::Par { branches } => {
                for branch in branches {
                    for_patterns(branch, visit);
                }
            }
            StepBody::Loop(l) => {
                for_patterns(&l.steps, visit);
                for payload in l.while_.iter().chain(&l.ends_with) {
                    payload.params.iter().chain(&payload.result).chain(&payload.error).for_each(&mut *visit);
                }
                for (_, first) in &l.carry {
                    visit(first);
                }
            }
            StepBody::During { steps, never } => {
                for_patterns(steps, visit);
                for_patterns(never, visit);
            }
            StepBody::Needs { conditions, because } => {
                for (_, pattern) in conditions {
                    visit(pattern);
                }
                visit(because);
            }
        }
    }
}
