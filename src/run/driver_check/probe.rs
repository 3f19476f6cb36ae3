//! What an action of a driver is to bring about on the wire, and what follows from what it answered and what was seen.

use crate::peer::driver::Answer;
use crate::trace::event::{Body, Event};
use crate::wire::json::Limits;
use crate::wire::{Id, Message, Party};
use serde_json::Value;

/// What came of one row of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// It does it; and what shows that.
    Supported(Shown),
    /// It says that its SDK cannot, and nothing was sent.
    Unsupported(String),
    /// It is sent, and then the SDK fails, in its words.
    Failed(String),
    /// It is not as the protocol of drivers has it.
    Wrong(String),
    /// It could not be tried, for that reason.
    NotReached(String),
}

/// What shows that an action is supported.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Something on the wire.
    Wire(Box<Event>),
    /// Something that the driver said or did itself.
    Driver(String),
}

/// A message of the client by which an action shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Which.
    pub what: Sought,
    /// What must stand in it, by JSON pointers; `None`: anything, as long as it is there.
    pub members: Vec<(&'static str, Option<Value>)>,
    /// The member of the result that the application must get as the server gave it.
    pub result: Option<&'static str>,
}

/// The kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// A request or notification of that method.
    Method(&'static str),
    /// The answer to the server's request of that method.
    AnswerTo(&'static str),
}

impl Expected {
    /// A request or a notification.
    #[must_use]
    pub fn method(method: &'static str) -> Expected {
        Expected { what: Sought::Method(method), members: Vec::new(), result: None }
    }

    /// An answer to what the server asks.
    #[must_use]
    pub fn answer_to(method: &'static str) -> Expected {
        Expected { what: Sought::AnswerTo(method), members: Vec::new(), result: None }
    }

    /// With that value at that place.
    #[must_use]
    pub fn with(mut self, pointer: &'static str, value: impl Into<Value>) -> Expected {
        self.members.push((pointer, Some(value.into())));
        self
    }

    /// With anything at that place.
    #[must_use]
    pub fn having(mut self, pointer: &'static str) -> Expected {
        self.members.push((pointer, None));
        self
    }

    /// And the application gets that member of the result.
    #[must_use]
    pub fn giving(mut self, member: &'static str) -> Expected {
        self.result = Some(member);
        self
    }

    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        let what = match self.what {
            Sought::Method(method) => format!("`{method}`"),
            Sought::AnswerTo(method) => format!("answer to `{method}`"),
        };
        let members = self.members.iter().map(|(pointer, value)| match value {
            Some(value) => format!("{pointer} = {value}"),
            None => (*pointer).to_owned(),
        });
        let members: Vec<String> = members.collect();
        if members.is_empty() { what } else { format!("{what} with {}", members.join(", ")) }
    }

    /// The event that shows it.
    #[must_use]
    pub fn find<'e>(&self, events: &'e [Event]) -> Option<&'e Event> {
        let asked = |id: &Id, method: &str| {
            said(events).any(|(_, from, message)| {
                from == Party::Server && message.method() == Some(method) && message.id() == Some(id)
            })
        };
        let is = |message: &Message| match self.what {
            Sought::Method(method) => message.method() == Some(method),
            Sought::AnswerTo(method) => message.is_answer() && message.id().is_some_and(|id| asked(id, method)),
        };
        let holds = |message: &Message| {
            self.members.iter().all(|(pointer, wanted)| match (message.value().pointer(pointer), wanted) {
                (Some(found), Some(wanted)) => found == wanted,
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            })
        };
        let found = |(event, from, message): (&'e Event, Party, Message)| {
            (from == Party::Client && is(&message) && holds(&message)).then_some(event)
        };
        said(events).find_map(found)
    }

    /// What the server answered to the request of that event.
    fn answered(&self, event: &Event, events: &[Event]) -> Option<Message> {
        let Body::Message { text, .. } = &event.body else { return None };
        let request = Message::read(text.bytes().into(), &Limits::default());
        let is = |message: &Message| message.is_answer() && message.id() == request.id();
        said(events).find_map(|(_, from, message)| (from == Party::Server && is(&message)).then_some(message))
    }
}

/// The messages among events, with who sent them.
pub fn said(events: &[Event]) -> impl Iterator<Item = (&Event, Party, Message)> {
    events.iter().filter_map(|event| match &event.body {
        Body::Message { from, text, .. } => {
            Some((event, *from, Message::read(text.bytes().into(), &Limits::default())))
        }
        _ => None,
    })
}

/// What follows from the answer to an action and from what was seen meanwhile.
#[must_use]
pub fn judge(answer: &Answer, expected: &Expected, events: &[Event]) -> Came {
    let shown = expected.find(events);
    let missing = |came: &str| Came::Wrong(format!("it answered with {came}, and no {} was seen", expected.words()));
    match answer {
        Answer::Unsupported(why) => refusal(why, events),
        // how the call ends in which it was asked is another matter
        _ if shown.is_some() && matches!(expected.what, Sought::AnswerTo(_)) => {
            shown.map_or_else(|| missing("nothing"), |event| Came::Supported(Shown::Wire(Box::new(event.clone()))))
        }
        Answer::Failure(why) => match shown {
            Some(_) => Came::Failed(why.clone()),
            None => missing(&format!("a failure ({why}; what the API cannot express is `unsupported`)")),
        },
        Answer::Error(error) => match shown {
            None => missing(&format!("the error {error}")),
            Some(event) => match expected.answered(event, events) {
                Some(message) if message.error().get("code") == error.get("code") => {
                    Came::Supported(Shown::Wire(Box::new(event.clone())))
                }
                _ => Came::Wrong(format!("it answered with the error {error}, and the server sent no such error")),
            },
        },
        Answer::Result(result) => {
            let Some(event) = shown else { return missing("a result") };
            if let Some(member) = expected.result {
                let given = expected.answered(event, events);
                let given = given.as_ref().and_then(|message| message.result().get(member));
                if !same(given, result.get(member)) {
                    let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
                    let (got, given) = (text(result.get(member)), text(given));
                    return Came::Wrong(format!("its result has {got} as `{member}`, and the server gave {given}"));
                }
            }
            Came::Supported(Shown::Wire(Box::new(event.clone())))
        }
    }
}

/// What is called unsupported must send nothing, and say why.
#[must_use]
pub fn refusal(why: &str, events: &[Event]) -> Came {
    let sent = said(events).find(|(_, from, message)| *from == Party::Client && message.method().is_some());
    match sent {
        Some((_, _, message)) => {
            let method = message.method().unwrap_or_default();
            Came::Wrong(format!("it says that it cannot ({why}), and sent `{method}`"))
        }
        None if why.trim().is_empty() => Came::Wrong("it says that it cannot, and not why".to_owned()),
        None => Came::Unsupported(why.to_owned()),
    }
}

/// Is this what the server gave? SDKs may add or leave out members of their own within the entries of a list.
fn same(given: Option<&Value>, got: Option<&Value>) -> bool {
    match (given, got) {
        (Some(Value::Array(given)), Some(Value::Array(got))) => given.len() == got.len(),
        (Some(Value::Object(_)), Some(Value::Object(_))) => true,
        (given, got) => given == got,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::trace::event::{StreamId, Text};
    use serde_json::json;

    fn events(said: &[(Party, Value)]) -> Vec<Event> {
        let event = |(seq, (from, value)): (u32, &(Party, Value))| Event {
            seq,
            at: 0,
            body: Body::Message {
                stream: StreamId(0),
                from: *from,
                text: Text::Plain(value.to_string()),
                event_id: None,
                step: None,
                breaks: Vec::new(),
                cut_from: None,
            },
        };
        (0..).zip(said).map(event).collect()
    }

    fn listed() -> Vec<Event> {
        events(&[
            (Party::Client, json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })),
            (Party::Client, json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": { "cursor": "x" } })),
            (Party::Server, json!({ "jsonrpc": "2.0", "id": 2, "result": { "tools": [{ "name": "a" }] } })),
        ])
    }

    #[test]
    fn what_is_done_is_shown_by_its_message() {
        let expected = Expected::method("tools/list").with("/params/cursor", "x").giving("tools");
        let came = judge(&Answer::Result(json!({ "tools": [{ "name": "a" }] })), &expected, &listed());
        let Came::Supported(Shown::Wire(event)) = came else { panic!("{came:?}") };
        assert_eq!(event.seq, 1);
    }

    #[test]
    fn a_result_without_its_message_or_with_another_content_is_wrong() {
        let other = Expected::method("tools/list").with("/params/cursor", "y");
        let result = Answer::Result(json!({ "tools": [] }));
        assert!(matches!(judge(&result, &other, &listed()), Came::Wrong(_)));
        let expected = Expected::method("tools/list").giving("tools");
        assert!(matches!(judge(&result, &expected, &listed()), Came::Wrong(_)));
        assert!(matches!(judge(&result, &Expected::method("prompts/list"), &listed()), Came::Wrong(_)));
    }

    #[test]
    fn what_is_unsupported_sends_nothing_and_says_why() {
        let no = |why: &str| Answer::Unsupported(why.to_owned());
        let expected = Expected::method("tools/list");
        assert!(matches!(judge(&no("no such call"), &expected, &listed()), Came::Wrong(_)));
        assert_eq!(judge(&no("no such call"), &expected, &listed()[2..]), Came::Unsupported("no such call".into()));
        assert!(matches!(judge(&no(" "), &expected, &[]), Came::Wrong(_)));
    }

    #[test]
    fn an_error_is_the_servers_own() {
        let refused = events(&[
            (Party::Client, json!({ "jsonrpc": "2.0", "id": 2, "method": "x" })),
            (Party::Server, json!({ "jsonrpc": "2.0", "id": 2, "error": { "code": -32601, "message": "no" } })),
        ]);
        let error = |code: i64| Answer::Error(json!({ "code": code, "message": "no" }));
        assert!(matches!(judge(&error(-32601), &Expected::method("x"), &refused), Came::Supported(_)));
        assert!(matches!(judge(&error(-1), &Expected::method("x"), &refused), Came::Wrong(_)));
        let failed = Answer::Failure("it broke".into());
        assert!(matches!(judge(&failed, &Expected::method("x"), &refused), Came::Failed(_)));
        assert!(matches!(judge(&failed, &Expected::method("y"), &refused), Came::Wrong(_)));
    }

    #[test]
    fn an_answer_is_that_to_the_servers_own_request() {
        let asked = events(&[
            (Party::Server, json!({ "jsonrpc": "2.0", "id": 7, "method": "roots/list" })),
            (Party::Client, json!({ "jsonrpc": "2.0", "id": 8, "result": { "roots": [] } })),
            (Party::Client, json!({ "jsonrpc": "2.0", "id": 7, "result": { "roots": [] } })),
        ]);
        let expected = Expected::answer_to("roots/list").with("/result/roots", json!([]));
        assert_eq!(expected.find(&asked).unwrap().seq, 2);
        assert_eq!(Expected::answer_to("sampling/createMessage").find(&asked), None);
        assert_eq!(Expected::answer_to("roots/list").having("/error").find(&asked), None);
    }
}
