//! Lifecycle: the handshake, and that only declared features are used.

use crate::conversation::{Order, Point, Said};
use crate::judge::evidence::Shown;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::judge::monitors::content::short;
use crate::spec::methods::{self, Need};
use crate::spec::{Era, Revision};
use crate::trace::Transport;
use crate::wire::{Kind, Party};

/// The rules of the handshake.
#[derive(Debug, Default)]
pub struct Opening;

impl Monitor for Opening {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "lifecycle.init.client-no-early-requests",
            "lifecycle.init.first-interaction",
            "lifecycle.init.initialized-notification",
            "lifecycle.init.server-no-early-requests",
            "lifecycle.version.client-disconnects",
            "lifecycle.version.client-sends-supported",
        ]
    }

    fn said(&mut self, _: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.requests("initialize")
            && let Some(version) = said.message.params().get("protocolVersion").and_then(|v| v.as_str())
        {
            let known = Revision::parse(version).is_some_and(|r| r.era() == Era::Legacy);
            let id = "lifecycle.version.client-sends-supported";
            let pointer = "/params/protocolVersion";
            notes.either(known, id, index, pointer, "a published revision", format!("`{version}`"));
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for session in 0..scene.c.sessions.len() {
            handshake(scene, session, notes);
        }
    }
}

fn is_ping(said: &Said) -> bool {
    said.requests("ping")
}

/// Is it surely so that the receiver did not yet have `b` when `a` was sent?
fn unaware(scene: &Scene<'_>, a: usize, b: usize) -> bool {
    scene.c.before(Point::sent(a), Point::received(b)) == Order::Yes
}

fn handshake(scene: &Scene<'_>, session: usize, notes: &mut Notes<'_>) {
    let Some(about) = scene.c.sessions.get(session) else { return };
    let of = |party: Party| scene.c.iter().filter(move |(_, s)| s.session == session && s.from == party);
    let first = "lifecycle.init.first-interaction";
    let Some(start) = about.initialize else {
        // without a handshake only those are judged whose every message is in the trace
        let whole = scene.header.seat.ours().is_some();
        if let Some((index, _)) = of(Party::Client).find(|(_, s)| !is_ping(s) && s.part.is_none()).filter(|_| whole) {
            notes.broken(first, index, "/method", "`initialize` first", "another message, and no `initialize` at all");
        }
        return;
    };
    let early = of(Party::Client).find(|(i, s)| *i < start && !is_ping(s) && scene.c.sent_before(*i, start));
    match early {
        Some((index, said)) => {
            let found = said.message.method().map_or_else(|| "no method".to_owned(), |m| format!("`{m}`"));
            notes.broken(first, index, "/method", "`initialize` first", found);
        }
        None => {
            notes.held(first, start);
        }
    }
    let requests = |party: Party| {
        of(party).filter(|(_, s)| s.is_request() && !is_ping(s) && !s.requests("initialize") && s.redelivers.is_none())
    };
    let answered = about.initialize_answer;
    let id = "lifecycle.init.client-no-early-requests";
    let mut after = false;
    for (index, said) in requests(Party::Client).filter(|(i, _)| *i > start) {
        let method = said.method.as_deref().unwrap_or_default();
        if answered.is_none_or(|a| unaware(scene, index, a)) {
            let found = format!("`{method}`");
            notes.broken(id, index, "/method", "no request but `ping` before the answer to `initialize`", found);
        } else if !after && answered.is_some_and(|a| scene.c.known_when(a, index)) {
            after = true;
            notes.held(id, index);
        }
    }
    if answered.and_then(|a| scene.c.get(a)).is_some_and(Said::is_result) {
        initialized(scene, session, notes);
        disconnects(scene, session, notes);
    }
    if let Some(ready) = about.initialized {
        let id = "lifecycle.init.server-no-early-requests";
        let mut after = false;
        for (index, said) in requests(Party::Server) {
            if unaware(scene, index, ready) {
                let found = format!("`{}`", said.method.as_deref().unwrap_or_default());
                notes.broken(id, index, "/method", "no request but `ping` before `notifications/initialized`", found);
            } else if !after && scene.c.known_when(ready, index) {
                after = true;
                notes.held(id, index);
            }
        }
    }
}

/// A client that was accepted says so, before it asks for anything.
fn initialized(scene: &Scene<'_>, session: usize, notes: &mut Notes<'_>) {
    let id = "lifecycle.init.initialized-notification";
    let Some(about) = scene.c.sessions.get(session) else { return };
    let Some(answer) = about.initialize_answer else { return };
    let expected = "`notifications/initialized` after the answer to `initialize` and before any other request";
    let later = |i: usize, s: &Said| {
        s.session == session
            && s.from == Party::Client
            && s.is_request()
            && !is_ping(s)
            && scene.c.known_when(answer, i)
    };
    let Some(ready) = about.initialized else {
        let went_on = scene.c.iter().any(|(i, s)| {
            i > answer
                && s.session == session
                && s.from == Party::Client
                && !is_ping(s)
                && scene.c.known_when(answer, i)
        });
        // a version that the client cannot speak ends the session
        let stays = about.revision.is_some_and(|r| Some(r.as_str()) == about.requested.as_deref()) || went_on;
        // a client of ours says what the course says, and a course that waits for the server in vain has not come to it
        let silent = scene.timed_out() && scene.header.seat.ours() != Some(Party::Client);
        if stays && (went_on || silent) {
            let verdict = Shown::Broken {
                expected: expected.into(),
                found: "none to the end of the trace".into(),
                pointer: String::new(),
            };
            notes.of_receiver(id, answer, verdict).presumed();
        }
        return;
    };
    if unaware(scene, ready, answer) {
        notes.broken(id, ready, "", expected, "it came before the answer");
    } else if let Some((early, said)) =
        scene.c.iter().find(|(i, s)| later(*i, s) && scene.c.sent_before(*i, ready)).filter(|(i, _)| *i < ready)
    {
        let found = format!("`{}` before it", said.method.as_deref().unwrap_or_default());
        notes.broken(id, early, "/method", expected, found);
    } else if scene.c.known_when(answer, ready) {
        notes.held(id, ready);
    }
}

/// A client that is answered with a version that nobody published says no more.
fn disconnects(scene: &Scene<'_>, session: usize, notes: &mut Notes<'_>) {
    let Some(about) = scene.c.sessions.get(session) else { return };
    let (Some(start), Some(answer), Some(version), None) =
        (about.initialize, about.initialize_answer, &about.answered, about.revision)
    else {
        return;
    };
    // it asked for that very version, so that it may speak it; that nobody published it is said of the request
    if about.requested.as_ref() == Some(version) {
        return;
    }
    let goes_on = |(i, s): &(usize, &Said)| {
        s.session == session
            && s.from == Party::Client
            && matches!(s.message.kind(), Kind::Request { .. } | Kind::Notification { .. })
            && !is_ping(s)
            // before the answer a client says nothing of the kind
            && *i > answer
    };
    let id = "lifecycle.version.client-disconnects";
    if let Some((index, said)) = scene.c.iter().find(goes_on) {
        let expected = format!("that it disconnects: nobody speaks the version {}", short(version));
        let found = format!("`{}`", said.message.method().unwrap_or_default());
        notes.broken(id, index, "/method", expected, found);
    } else if scene.waited() {
        notes.held(id, start);
    }
}

/// Capabilities whose areas say themselves that nobody uses them undeclared.
const OWN_RULES: [&str; 2] = ["elicitation", "resources.subscribe"];

/// Only what was declared is used.
#[derive(Debug, Default)]
pub struct Capabilities;

impl Monitor for Capabilities {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "lifecycle.capability.client-uses-declared",
            "lifecycle.capability.list-changed-declared",
            "lifecycle.capability.server-uses-declared",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if !matches!(said.message.kind(), Kind::Request { .. } | Kind::Notification { .. }) {
            return;
        }
        let Some(name) = said.message.method() else { return };
        let Some(method) = methods::find(said.revision, name).filter(|m| m.from.has(said.from)) else { return };
        match method.needs {
            // `tasks/list` and `tasks/cancel` have rules of their own
            Need::Receiver(path) if method.is_request() && !path.starts_with("tasks.") => {
                let Some(declared) = scene.c.declares(said, said.to(), path) else { return };
                let id = match said.from {
                    Party::Client => "lifecycle.capability.client-uses-declared",
                    Party::Server => "lifecycle.capability.server-uses-declared",
                };
                // where a rule of its own says so, that one is broken
                if declared || !OWN_RULES.contains(&path) {
                    let expected = format!("no `{name}`, because the {} did not declare `{path}`", said.to());
                    notes.either(declared, id, index, "/method", expected, format!("`{name}`"));
                }
            }
            Need::Sender(path) if path.ends_with(".listChanged") => {
                let Some(declared) = scene.c.declares(said, said.from, path) else { return };
                let id = "lifecycle.capability.list-changed-declared";
                let expected = format!("no `{name}`, because `{path}` was not declared");
                notes.either(declared, id, index, "/method", expected, format!("`{name}`"));
            }
            _ => {}
        }
    }
}

/// So long, in microseconds, a program may take to end with its input.
const REASONABLE: u64 = 1_500_000;

/// A server on pipes ends when its input does.
#[derive(Debug, Default)]
pub struct Shutdown;

impl Monitor for Shutdown {
    fn requirements(&self) -> &'static [&'static str] {
        &["lifecycle.shutdown.server-exits-on-eof"]
    }

    fn needs(&self) -> &'static [&'static str] {
        &["stream-closed", "process-signalled", "process-exited"]
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        let Some(departure) = scene.c.departure.filter(|_| scene.c.transport == Transport::Stdio) else { return };
        let id = "lifecycle.shutdown.server-exits-on-eof";
        let ((_, closed), revision) = (departure.input_closed, scene.c.played);
        match (departure.signalled, departure.exited) {
            (None, Some((event, _))) => {
                notes.at(id, event, Party::Server, revision, Shown::Held);
            }
            // who was not given the time is not judged
            (Some((event, at)), _) if at.saturating_sub(closed) >= REASONABLE => {
                let verdict = Shown::Broken {
                    expected: "that it ends when its input does".into(),
                    found: format!("it was still there {} ms later", at.saturating_sub(closed) / 1000),
                    pointer: String::new(),
                };
                notes.at(id, event, Party::Server, revision, verdict).presumed();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end where it stands")]
mod tests {
    use super::*;
    use crate::conversation::Conversation;
    use crate::conversation::sample::Sample;
    use crate::judge::monitors;
    use crate::trace::{Body, Closing, EndReason, StreamId};

    const EOF: &str = "lifecycle.shutdown.server-exits-on-eof";

    /// What is said of a server that was signalled and ended so many milliseconds after its input was closed.
    fn said(signalled: Option<u64>, exited: Option<u64>) -> Option<bool> {
        let mut sample = Sample::stdio();
        let party = Party::Server;
        sample.push(Body::End { reason: EndReason::Finished });
        sample.push(Body::StreamClosed { stream: StreamId(0), by: Some(Party::Client), how: Closing::Clean });
        if let Some(ms) = signalled {
            sample.wait(ms).push(Body::ProcessSignalled { party, signal: "SIGTERM".into() });
        }
        if let Some(ms) = exited {
            sample.wait(ms).push(Body::ProcessExited { party, code: Some(0), signal: None, ours: true });
        }
        let evidence = monitors::run(&Conversation::of(&sample.header, &sample.events), &sample.header);
        evidence.iter().find(|e| e.requirement == EOF).map(|e| !e.is_broken())
    }

    #[test]
    fn a_server_ends_with_its_input_and_is_given_time_for_it() {
        assert_eq!(said(None, Some(20)), Some(true));
        assert_eq!(said(Some(2000), Some(20)), Some(false));
        assert_eq!(said(Some(2000), None), Some(false));
        assert_eq!(said(Some(300), Some(20)), None);
        assert_eq!(said(None, None), None);
    }
}
