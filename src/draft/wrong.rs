//! What the judge found wrong in a message: a draft does not ask for it again.

use crate::conversation::{Conversation, Said};
use crate::judge::Judgement;
use crate::judge::finding::Blame;
use crate::scenario::pattern::{Pattern, Shape};
use crate::scenario::visit::walk;
use crate::wire::Party;
use serde_json::Value;
use std::collections::BTreeMap;

/// A kind of message: who sends it, how it is asked or answered, and its method.
type Like = (Party, &'static str, Option<String>);

/// The places that were found wrong, by the kind of message: of several that are alike the judge tells the first.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    places: BTreeMap<Like, Vec<(String, String)>>,
}

impl Wrong {
    pub(super) fn of(conversation: &Conversation, judgement: &Judgement) -> Wrong {
        let mut wrong = Wrong::default();
        for finding in &judgement.findings {
            let (Some(event), Some(pointer)) = (finding.event, &finding.pointer) else { continue };
            let Some(said) = conversation.said.iter().find(|said| said.event == event) else { continue };
            if finding.blame == Blame::from(said.from) {
                let why = finding.requirement.clone().unwrap_or_else(|| "it was not as the scenario had it".into());
                wrong.places.entry(like(said)).or_default().push((pointer.clone(), why));
            }
        }
        wrong
    }

    /// Takes out of the pattern of a message's `member` what was found wrong there; gives the places and the reasons.
    pub(super) fn leave_open(&self, said: &Said, member: &str, pattern: &mut Pattern) -> Vec<(String, String)> {
        let places = self.places.get(&like(said)).map_or(&[] as &[_], Vec::as_slice);
        let mut left = Vec::new();
        for (pointer, why) in places {
            let names: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
            let Some((first, rest)) = names.split_first() else { continue };
            if first == member && take(pattern, rest) {
                left.push((pointer.clone(), why.clone()));
            }
        }
        left
    }
}

fn like(said: &Said) -> Like {
    let how = match () {
        () if said.is_request() => "requests",
        () if said.is_result() => "answers",
        () if said.is_error() => "refuses",
        () => "notifies",
    };
    (said.from, how, said.method.clone())
}

/// A token of a JSON pointer, as RFC 6901 has it.
fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Takes out what stands at a place, if it is there; what has a name stays, for others use it.
fn take(pattern: &mut Pattern, names: &[String]) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    match &mut pattern.shape {
        Shape::Object(members) => {
            let is = |name: &Pattern| name.shape == Shape::Literal(Value::String(first.clone()));
            let Some(at) = members.iter().position(|m| is(&m.name)) else { return false };
            if !rest.is_empty() {
                return members.get_mut(at).is_some_and(|m| take(&mut m.value, rest));
            }
            if members.get(at).is_some_and(|m| has_a_name(&m.value)) {
                return false;
            }
            members.remove(at);
            true
        }
        Shape::Array(all) => {
            let Some(element) = first.parse().ok().and_then(|i: usize| all.get_mut(i)) else { return false };
            if !rest.is_empty() {
                return take(element, rest);
            }
            let named = has_a_name(element);
            if !named {
                element.shape = Shape::Any;
            }
            !named
        }
        _ => false,
    }
}

fn has_a_name(pattern: &Pattern) -> bool {
    let mut named = false;
    walk(pattern, &mut |p| named |= matches!(p.shape, Shape::Name(_)));
    named
}

#[cfg(test)]
mod tests {
    use super::super::value::{literal, object};
    use super::*;
    use crate::draft::value::at;
    use crate::scenario::pattern::Path;
    use crate::scenario::spelling;

    #[test]
    fn what_has_a_name_stays() {
        let id = at(Shape::Name(Path { name: "task".into(), members: Vec::new() }));
        let mut pattern = object(vec![("task", object(vec![("taskId", id), ("a/b", literal("x"))]))]);
        let names = |pointer: &str| pointer.split('/').map(unescaped).collect::<Vec<_>>();
        for (pointer, taken) in [("task", false), ("task/taskId", false), ("task/none", false), ("task/a~1b", true)] {
            assert_eq!(take(&mut pattern, &names(pointer)), taken, "{pointer}");
        }
        assert_eq!(spelling::pattern(&pattern), "{ task: { taskId: $task } }");
        let mut pattern = object(vec![("content", at(Shape::Array(vec![literal(1), literal(2)])))]);
        assert!(take(&mut pattern, &names("content/1")) && !take(&mut pattern, &names("content/2")));
        assert_eq!(spelling::pattern(&pattern), "{ content: [1, <any>] }");
    }
}
