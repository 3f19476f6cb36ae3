//! The processes of one server that listens: shared by plays as long as that is sound.
//!
//! Over HTTP every play is a session of its own, so that a process may serve one play after the other. It serves one at a
//! time, so that what it writes and how it ends belongs to that play. It is used again only if it is alive, the course of the
//! last play came to its end, and the client left as it was told; in every other case the next play begins on a new one.

use crate::judge::finding::Blame;
use crate::peer::config::ServerSpec;
use crate::peer::process::{Ladder, Process};
use crate::peer::start::{ServerProcess, StartError};
use crate::run::agenda::Closed;
use std::cell::RefCell;

/// The processes of one server.
#[derive(Debug)]
pub(super) struct Standing {
    spec: ServerSpec,
    idle: RefCell<Vec<Hosted>>,
}

/// A process that listens, or a URL.
#[derive(Debug)]
pub(super) struct Hosted {
    pub(super) server: ServerProcess,
    /// Has anything been played with it before?
    pub(super) used: bool,
}

impl Standing {
    pub(super) fn new(spec: ServerSpec) -> Standing {
        Standing { spec, idle: RefCell::default() }
    }

    pub(super) fn spec(&self) -> &ServerSpec {
        &self.spec
    }

    /// One for a play; `fresh`: one that nothing was played with. (At a URL there is no such thing.)
    pub(super) async fn take(&self, fresh: bool) -> Result<Hosted, Closed> {
        let idle = if fresh { None } else { self.idle.borrow_mut().pop() };
        if let Some(hosted) = idle.filter(|hosted| hosted.server.process().is_none_or(|p| p.exit().is_none())) {
            return Ok(hosted);
        }
        let server = ServerProcess::start(&self.spec).await.map_err(|e| closed(&e))?;
        Ok(Hosted { used: server.process().is_none(), server })
    }

    /// A play with it is over, as it should.
    pub(super) async fn back(&self, mut hosted: Hosted, well: bool) {
        let process = hosted.server.process();
        process.inspect(|process| process.hush());
        if well && process.is_none_or(|process| process.exit().is_none()) {
            hosted.used = true;
            self.idle.borrow_mut().push(hosted);
        } else {
            hosted.server.stop(&Ladder::default()).await;
        }
    }

    /// Ends all that run.
    pub(super) async fn stop(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let ending = idle.into_iter().map(|mut hosted| async move { hosted.server.stop(&Ladder::default()).await });
        futures_util::future::join_all(ending).await;
    }
}

impl Hosted {
    pub(super) fn process(&self) -> Option<&Process> {
        self.server.process()
    }
}

pub(super) fn closed(e: &StartError) -> Closed {
    Closed { what: e.to_string(), stderr: e.stderr().map(str::to_owned), blame: Blame::Environment }
}
