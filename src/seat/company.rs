//! The clients of a play: the first, and the further ones that the file names. Each has an engine and a session of its own.

use crate::reference::{Effect, Engine, SessionKey};
use crate::wire::{Message, Party};
use std::time::Duration;

/// One of them. (In the server's seat there is one, for all sessions.)
struct Member<'a> {
    name: Option<String>,
    session: SessionKey,
    engine: &'a mut dyn Engine,
    begun: bool,
    greeted: bool,
}

/// All of them; the first client is the last, because its application may only begin when all have been let in.
pub(super) struct Company<'a> {
    members: Vec<Member<'a>>,
    /// In the server's seat: the session that was opened last.
    latest: SessionKey,
    ours: Party,
}

impl<'a> Company<'a> {
    /// `first` plays the party that is ours; `further` the further clients, in the order in which the file names them. A
    /// name without an engine has no client.
    pub(super) fn new(
        ours: Party,
        first: &'a mut dyn Engine,
        names: &[String],
        further: &'a mut [Box<dyn Engine>],
    ) -> Company<'a> {
        let mut members: Vec<Member<'a>> = names
            .iter()
            .zip(further.iter_mut())
            .zip(1..)
            .map(|((name, engine), session)| Member {
                name: Some(name.clone()),
                session: SessionKey(session),
                engine: engine.as_mut(),
                begun: false,
                greeted: false,
            })
            .collect();
        members.push(Member { name: None, session: SessionKey(0), engine: first, begun: false, greeted: false });
        Company { members, latest: SessionKey(0), ours }
    }

    fn of(&mut self, session: SessionKey) -> Option<&mut Member<'a>> {
        match self.ours {
            Party::Client => self.members.iter_mut().find(|m| m.session == session),
            Party::Server => self.members.last_mut(),
        }
    }

    /// Lets the next client begin, if all before it have been let in. Gives whether it did.
    pub(super) fn begin_next(&mut self, now: Duration) -> bool {
        if self.ours == Party::Server || self.members.iter().any(|m| m.begun && !m.greeted) {
            return false;
        }
        let Some(next) = self.members.iter_mut().find(|m| !m.begun) else { return false };
        next.begun = true;
        next.engine.opened(now, next.session);
        true
    }

    /// Has every client at least begun?
    pub(super) fn all_begun(&self) -> bool {
        self.ours == Party::Server || self.members.iter().all(|m| m.begun)
    }

    /// The further client whose handshake is under way.
    pub(super) fn being_let_in(&self) -> Option<&str> {
        self.members.iter().find(|m| m.begun && !m.greeted)?.name.as_deref()
    }

    /// Is the handshake of that session over, on its client's part?
    pub(super) fn greeted(&mut self, session: SessionKey) -> bool {
        self.of(session).is_some_and(|m| m.greeted)
    }

    /// Which of several clients a session is of; `None` for the first.
    pub(super) fn name(&self, session: SessionKey) -> Option<&str> {
        self.members.iter().find(|m| self.ours == Party::Client && m.session == session)?.name.as_deref()
    }

    /// The session of a client; of the first, for `None`.
    pub(super) fn session(&self, name: Option<&str>) -> SessionKey {
        match self.ours {
            Party::Server => self.latest,
            Party::Client => {
                self.members.iter().find(|m| m.name.as_deref() == name).map_or(SessionKey(0), |m| m.session)
            }
        }
    }

    /// The sessions that have begun, the first client's last.
    pub(super) fn sessions(&self) -> Vec<SessionKey> {
        self.members.iter().filter(|m| m.begun).map(|m| m.session).collect()
    }

    /// A session was opened.
    pub(super) fn opened(&mut self, now: Duration, session: SessionKey) {
        if self.ours == Party::Server {
            self.latest = session;
            if let Some(member) = self.of(session) {
                member.engine.opened(now, session);
            }
        }
    }

    /// A session is over.
    pub(super) fn closed(&mut self, now: Duration, session: SessionKey) {
        if let Some(member) = self.of(session) {
            member.engine.closed(now, session);
        }
    }

    /// A message of ours has been sent.
    pub(super) fn sent(&mut self, now: Duration, session: SessionKey, message: &Message) {
        if let Some(member) = self.of(session) {
            member.greeted |= message.method() == Some("notifications/initialized");
            member.engine.sent(now, session, message);
        }
    }

    /// A message came.
    pub(super) fn receive(&mut self, now: Duration, session: SessionKey, message: &Message) {
        if let Some(member) = self.of(session) {
            member.engine.receive(now, session, message);
        }
    }

    /// The connection of that request's answer is lost.
    pub(super) fn lost(&mut self, now: Duration, session: SessionKey, request: &crate::wire::Id) {
        if let Some(member) = self.of(session) {
            member.engine.lost(now, session, request);
        }
    }

    /// A step has happened that the first client's application waits for.
    pub(super) fn happened(&mut self, now: Duration, label: &str) {
        if let Some(member) = self.members.last_mut() {
            member.engine.happened(now, label);
        }
    }

    /// What they want done.
    pub(super) fn take(&mut self) -> Vec<Effect> {
        self.members.iter_mut().flat_map(|m| m.engine.take()).collect()
    }

    /// Will none of them propose anything more unless a message comes?
    pub(super) fn idle(&self) -> bool {
        self.members.iter().all(|m| m.engine.idle())
    }

    /// When one of them wants to be woken next.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.members.iter().filter_map(|m| m.engine.wake_at()).min()
    }

    /// Wakes those whose time has come.
    pub(super) fn wake(&mut self, now: Duration) {
        for member in &mut self.members {
            if member.engine.wake_at().is_some_and(|at| at <= now) {
                member.engine.wake(now);
            }
        }
    }
}
