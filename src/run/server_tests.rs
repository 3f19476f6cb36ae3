//! A server that is slow to start, or does not start, in the middle of a run.

use super::*;
use crate::judge::Verdict;
use crate::run::pair::{ends, finish};
use crate::scenario::files;
use crate::seat::host::Host;
use crate::wire::http::ServerPolicy;
use std::cell::Cell;
use tokio::task::JoinHandle;

/// How long a program takes to come up; `None` for one that never does.
type Start = fn(usize) -> Option<Duration>;

/// The embedded server as a program that has to be started: the `n`th time (from 0) it takes so long.
struct Sluggish {
    starts: Cell<usize>,
    takes: Start,
}

enum Held {
    Up(watch::Sender<bool>, JoinHandle<()>),
    /// Its pipes are there, and nobody reads them.
    Down {
        _pipes: Link,
    },
}

impl Servers for Sluggish {
    type Held = Held;

    async fn open(&self, transport: Transport, _: &[String]) -> Result<(Link, Held), Closed> {
        let nth = self.starts.replace(self.starts.get() + 1);
        let (near, far) = ends(transport, Seat::Client, ServerPolicy::reference());
        let Some(takes) = (self.takes)(nth) else { return Ok((near, Held::Down { _pipes: far })) };
        let setup = crate::reference::server::Setup::new(Surroundings::fixed(1));
        let server = crate::reference::server::Server::new(setup);
        let (stop, stopped) = watch::channel(false);
        let host = tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            Host::honest(Box::new(server)).run(far, stopped).await;
        });
        Ok((near, Held::Up(stop, host)))
    }

    async fn close(&self, held: Held, _: Option<Duration>) -> Option<String> {
        if let Held::Up(stop, host) = held {
            finish(stop, host).await;
        }
        None
    }
}

/// Plays one scenario over stdio, in one way.
fn run(takes: Start) -> Results {
    let one: Vec<Scenario> =
        files::embedded().scenarios.into_iter().filter(|s| s.id == "tools/list-and-call").collect();
    assert_eq!(one.len(), 1);
    let options = Options { transports: vec![Transport::Stdio], ..Options::new("sluggish", Revision::DEFAULT) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let servers = Sluggish { starts: Cell::new(0), takes };
    let (mut random, mut client) = (|| 7, || Surroundings::fixed(2));
    let (_keep, interrupted) = watch::channel(false);
    runtime.block_on(server(&servers, &one, &options, &mut client, &mut random, interrupted, &mut Keeper::of_all()))
}

fn verdicts(results: &Results) -> Vec<Verdict> {
    results.played.iter().map(|p| p.judgement.verdict).collect()
}

#[test]
fn a_slow_start_is_no_fault() {
    let results = run(|_| Some(Duration::from_secs(12)));
    assert_eq!(results.troubles, []);
    assert!(!results.played.is_empty());
    assert!(verdicts(&results).iter().all(|v| *v == Verdict::Pass), "{:?}", verdicts(&results));
}

#[test]
fn a_start_that_failed_once_is_tried_again() {
    // the second start is that of the first play, the third the survey's
    let results = run(|nth| (nth != 1).then_some(Duration::ZERO));
    assert_eq!(results.troubles, []);
    assert!(verdicts(&results).iter().all(|v| *v == Verdict::Pass), "{:?}", verdicts(&results));
}

#[test]
fn what_stays_silent_in_a_play_and_speaks_elsewhere_is_at_fault() {
    let results = run(|nth| (nth != 1 && nth != 3).then_some(Duration::ZERO));
    let first = &results.played.first().unwrap().judgement;
    assert_eq!(first.verdict, Verdict::Fail);
    assert!(first.findings.iter().all(|f| f.blame == Blame::Server), "{:?}", first.findings);
}

#[test]
fn what_does_not_start_any_more_is_the_environment_s_affair() {
    let results = run(|nth| (nth == 0).then_some(Duration::ZERO));
    let first = &results.played.first().unwrap().judgement;
    assert_eq!(first.verdict, Verdict::Error);
    assert!(first.findings.iter().all(|f| f.blame == Blame::Environment), "{:?}", first.findings);
    assert!(results.troubles.iter().all(|t| t.blame == Blame::Environment), "{:?}", results.troubles);
    assert_eq!(results.troubles.len(), 1, "it is given up, and not waited for in every play");
}
