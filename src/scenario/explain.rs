//! What a scenario means from one seat: what is sent, expected, absorbed and proven, step by step.

use super::model::{Act, Action, Condition, Doing, Loop, Needed, Scenario, Step, StepBody, Verb, each_step};
use super::pattern::{Pattern, Shape};
use super::seats::{bound_parties, proofs_at};
use super::spelling;
use crate::spec::catalogue::Catalogue;
use crate::spec::{Era, Revision, methods};
use crate::trace::{Seat, Transport};
use crate::wire::Party;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A scenario seen from a seat, in a revision, over a transport: a table for the terminal, ending in a line feed.
#[must_use]
pub fn table(scenario: &Scenario, seat: Seat, revision: Revision, transport: Transport) -> String {
    let mut table = Table {
        scenario,
        seat,
        transport,
        catalogue: Catalogue::of(revision),
        text: String::new(),
        choices: Vec::new(),
        named: BTreeSet::new(),
        left_out: Vec::new(),
    };
    table.head(revision);
    table.text.push('\n');
    table.steps(&scenario.exchange, 0);
    table.text.push('\n');
    table.foot(revision);
    table.text
}

struct Table<'a> {
    scenario: &'a Scenario,
    seat: Seat,
    transport: Transport,
    catalogue: &'static Catalogue,
    text: String,
    /// Our choices: the step, and what each run does there.
    choices: Vec<(String, Vec<String>)>,
    /// Methods that a step names.
    named: BTreeSet<String>,
    left_out: Vec<String>,
}

impl Table<'_> {
    fn ours(&self, party: Party) -> bool {
        self.seat.ours() == Some(party)
    }

    fn row(&mut self, word: &str, what: &str) {
        let _ = writeln!(self.text, "{:<10} {what}", word);
    }

    fn rows(&mut self, word: &str, all: &[String]) {
        for (i, what) in all.iter().enumerate() {
            self.row(if i == 0 { word } else { "" }, what);
        }
    }

    fn head(&mut self, revision: Revision) {
        let scenario = self.scenario;
        let _ = writeln!(self.text, "{}", scenario.id);
        let _ = writeln!(self.text, "{}\n", scenario.title);
        let seat = match self.seat.ours() {
            Some(p) => format!("{} (we play the {p}, the {} is under test)", self.seat, p.other()),
            None => format!("{} (we play nobody, both parties are under test)", self.seat),
        };
        self.row("seat", &seat);
        self.row("played as", &format!("{revision} over {}", self.transport));
        if !scenario.revisions.contains(&revision) {
            self.row("", &format!("NOT for {revision}: the file holds for other revisions"));
        }
        if !scenario.transports.contains(&self.transport) {
            self.row("", &format!("NOT over {}: the file holds for other transports", self.transport));
        }
        if let Some(name) = &scenario.known_as {
            self.row("known as", name);
        }
        if !scenario.parties.is_empty() {
            self.row("clients", &format!("client, {}", scenario.parties.join(", ")));
        }
        if let Some(requestor) = scenario.requestor {
            self.row("cast", &format!("the requestor is the {requestor}, the receiver is the {}", requestor.other()));
        }
        let needs: Vec<String> = scenario
            .needs
            .iter()
            .map(|need| {
                let what = match &need.what {
                    Needed::Capability(path) => format!("the capability {path}"),
                    Needed::Lack(path) => format!("no capability {path}"),
                    Needed::Tool(p) => format!("the tool {}", self.resolved(p)),
                    Needed::Prompt(p) => format!("the prompt {}", self.resolved(p)),
                    Needed::Resource(p) => format!("the resource {}", self.resolved(p)),
                    Needed::Session => "an assigned session id".to_owned(),
                    Needed::Moved => "that we move it".to_owned(),
                };
                format!("of the {}: {what}", need.party)
            })
            .collect();
        self.rows("needs", &needs);
        let mut given: Vec<String> = Vec::new();
        for (i, (name, value)) in scenario.given.iter().enumerate() {
            if !scenario.given.iter().skip(i + 1).any(|(n, _)| n == name) {
                given.push(format!("${name} = {}", spelling::pattern(value)));
            }
        }
        self.rows("given", &given);
        let (drive, left): (Vec<&Action>, Vec<&Action>) = scenario.drive.iter().partition(|a| self.holds(&a.when));
        let word = if self.ours(Party::Client) { "we drive" } else { "driver" };
        self.rows(word, &drive.into_iter().map(doing).collect::<Vec<_>>());
        for action in left {
            self.left_out.push(format!("the action `{}`", doing(action)));
        }
        self.row("opening", &opening(scenario, revision));
    }

    /// A name with what it stands for.
    fn resolved(&self, pattern: &Pattern) -> String {
        let spelled = spelling::pattern(pattern);
        match &pattern.shape {
            Shape::Name(path) => match self.scenario.given.iter().rev().find(|(n, _)| *n == path.name) {
                Some((_, value)) => format!("{spelled} = {}", spelling::pattern(value)),
                None => spelled,
            },
            _ => spelled,
        }
    }

    fn holds(&self, when: &[Condition]) -> bool {
        when.iter().all(|c| match c {
            Condition::Transport(t) => *t == self.transport,
        })
    }

    fn steps(&mut self, steps: &[Step], depth: usize) {
        for step in steps {
            if self.holds(&step.when) {
                self.step(step, depth);
            } else {
                self.left_out.push(format!("step {}", step.name));
            }
        }
    }

    fn line(&mut self, name: &str, depth: usize, what: &str) {
        let _ = writeln!(self.text, "{name:<7}{}{what}", "  ".repeat(depth));
    }

    fn step(&mut self, step: &Step, depth: usize) {
        let title = self.title(step);
        self.line(&step.name, depth, &title);
        let mut notes: Vec<String> = Vec::new();
        match &step.body {
            StepBody::Act(act) => {
                if let Verb::Requests { method } | Verb::Notifies { method } = &act.verb {
                    self.named.insert(method.clone());
                }
                notes.extend(self.act_notes(act));
            }
            StepBody::Loop(l) => notes.extend(loop_notes(l)),
            StepBody::Needs { conditions, because } => {
                notes.extend(conditions.iter().map(|(path, p)| format!("${path}: {}", spelling::pattern(p))));
                notes.push(format!("otherwise not exercised: {}", spelling::pattern(because)));
            }
            _ => {}
        }
        if let Some(wait) = &step.within {
            notes.push(format!("within {}", spelling::wait(wait)));
        }
        if let Some(reason) = &step.otherwise {
            notes.push(format!("otherwise not exercised: {reason}"));
        }
        if let Some(decision) = &step.decision {
            notes.push(format!("by decision {decision}"));
        }
        notes.extend(self.proofs(step));
        for note in notes {
            self.line("", depth + 1, &note);
        }
        self.inner(step, depth);
    }

    fn title(&mut self, step: &Step) -> String {
        match &step.body {
            StepBody::Act(act) => self.act_title(act),
            StepBody::May { decider, .. } => {
                if self.ours(*decider) {
                    self.choices.push((step.name.clone(), vec!["not at all".into(), "all of it".into()]));
                    format!("we may (the {decider} decides): a run without this, and a run with all of it")
                } else {
                    format!("the {decider} may, all of it or not at all")
                }
            }
            StepBody::Choose { decider, branches } => {
                if self.ours(*decider) {
                    let letters = ('a'..='z').take(branches.len()).map(|l| format!("branch {l}")).collect();
                    self.choices.push((step.name.clone(), letters));
                    format!("we choose (the {decider} decides): a run for each of {} branches", branches.len())
                } else {
                    format!("the {decider} chooses one of {} branches", branches.len())
                }
            }
            StepBody::Loop(l) => {
                let starter = l.steps.iter().find_map(|s| match &s.body {
                    StepBody::Act(a) => Some(a.party),
                    _ => None,
                });
                match starter {
                    Some(p) if self.ours(p) => format!("loop, as often as our {p} does"),
                    Some(p) => format!("loop, as often as the {p} does"),
                    None => "loop".to_owned(),
                }
            }
            StepBody::Par { branches } => format!("all of {} branches, in any order", branches.len()),
            StepBody::During { .. } => "window, from the first step in it to the last".to_owned(),
            StepBody::Needs { .. } => "go on only if".to_owned(),
        }
    }

    fn inner(&mut self, step: &Step, depth: usize) {
        match &step.body {
            StepBody::Act(_) | StepBody::Needs { .. } => {}
            StepBody::May { steps, .. } => self.steps(steps, depth + 1),
            StepBody::Loop(l) => self.steps(&l.steps, depth + 1),
            StepBody::Choose { branches, .. } | StepBody::Par { branches } => {
                for (branch, letter) in branches.iter().zip('a'..='z') {
                    self.line("", depth + 1, &format!("branch {letter}"));
                    self.steps(branch, depth + 2);
                }
            }
            StepBody::During { steps, never } => {
                self.steps(steps, depth + 1);
                self.line("", depth + 1, "never in the window");
                self.steps(never, depth + 2);
            }
        }
    }

    fn act_title(&self, act: &Act) -> String {
        let who = act.named.clone().unwrap_or_else(|| act.party.to_string());
        let who = if self.ours(act.party) {
            if act.named.is_some() { format!("SEND    as {who}:") } else { "SEND   ".to_owned() }
        } else if self.seat == Seat::Observer {
            format!("SEE     {who}:")
        } else {
            format!("EXPECT  {who}:")
        };
        let what = match &act.verb {
            Verb::Requests { method } => format!("request {method}"),
            Verb::Answers { request } => match (&act.payload.result, &act.payload.error) {
                (Some(_), _) => format!("result of {request}"),
                (_, Some(_)) => format!("error to {request}"),
                _ => format!("answer to {request}"),
            },
            Verb::Notifies { method } => format!("notification {method}"),
            Verb::Sends { bytes } => format!("bytes {}", self.resolved(bytes)),
            Verb::Opens { what } => format!("opens the listening {what} (GET)"),
            Verb::Drops { request } => format!("drops the connection of {request}"),
            Verb::Resumes { request } => format!("resumes {request} (GET with Last-Event-ID)"),
            Verb::Cancels { request } => match self.transport {
                Transport::Http if self.catalogue.revision().era() == Era::Modern => {
                    format!("cancels {request} (closes its stream)")
                }
                _ => format!("cancels {request} (notifications/cancelled)"),
            },
            Verb::Closes { request } => format!("closes the connection of {request}, not its stream"),
            Verb::Deletes { what } => format!("deletes the {what} (DELETE)"),
            Verb::Accepts { request } => format!("accepts {request} (a success status, no message)"),
            Verb::Refuses { request } => format!("refuses {request} (an error status)"),
        };
        match &act.label {
            Some(label) => format!("{who} {what}, as {label}"),
            None => format!("{who} {what}"),
        }
    }

    fn act_notes(&self, act: &Act) -> Vec<String> {
        let mut notes = spelling::payload(&act.payload);
        notes.extend(act.http.iter().flat_map(spelling::http).map(|line| format!("http {line}")));
        if let Some(over) = &act.over {
            notes.push(format!("over the stream of {over}"));
        }
        if let Some(losing) = &act.losing {
            notes
                .push(format!("as if {losing} had not come: it is not answered, and is still to come for who resumes"));
        }
        if let Some(wait) = &act.not_before {
            notes.push(format!("not before {}", spelling::wait(wait)));
        }
        for broken in &act.breaks {
            notes.push(format!("breaks {} on purpose", broken.id));
        }
        notes
    }

    fn proofs(&self, step: &Step) -> Vec<String> {
        step.proves
            .iter()
            .map(|proof| {
                let Some(requirement) = self.catalogue.get(&proof.id) else {
                    return format!("proves nothing: {} does not hold here", proof.id);
                };
                let parties = bound_parties(self.scenario, step, requirement.party);
                let tested: Vec<&str> = parties.iter().filter(|p| self.seat.tests(**p)).map(|p| p.as_str()).collect();
                if tested.is_empty() {
                    let ours: Vec<&str> = parties.iter().map(|p| p.as_str()).collect();
                    format!("not proven here: {} (of the {}, which is ours)", proof.id, ours.join(" and the "))
                } else {
                    format!("proves {} (the {} {})", proof.id, tested.join(" and the "), requirement.keyword())
                }
            })
            .collect()
    }

    fn foot(&mut self, revision: Revision) {
        let (mut proven, mut parties) = (BTreeSet::new(), BTreeSet::new());
        let scenario = self.scenario;
        each_step(&scenario.exchange, &mut |step| {
            if self.holds(&step.when) {
                for (id, of) in proofs_at(scenario, step, self.catalogue) {
                    for party in of.into_iter().filter(|p| self.seat.tests(*p)) {
                        proven.insert(id);
                        parties.insert(party.as_str());
                    }
                }
            }
        });
        let parties: Vec<&str> = parties.into_iter().collect();
        let proven = match proven.len() {
            0 => "nothing in this seat".to_owned(),
            1 => format!("1 requirement, of the {}", parties.join(" and the ")),
            n => format!("{n} requirements, of the {}", parties.join(" and the ")),
        };
        self.row("proven", &proven);
        for party in [Party::Client, Party::Server] {
            let absorbed: Vec<&str> = methods::of(revision)
                .filter(|m| {
                    m.from.has(party)
                        && !self.named.contains(m.name)
                        && m.name != "initialize"
                        && m.name != "notifications/initialized"
                })
                .map(|m| m.name)
                .collect();
            let absorbed = if absorbed.is_empty() { "nothing".to_owned() } else { absorbed.join(", ") };
            let word = if self.ours(party) { "sent as is" } else { "absorbed" };
            self.row(word, &format!("from the {party}, and their answers: {absorbed}"));
        }
        let runs = runs(&self.choices);
        if runs.len() == 1 {
            self.row("runs", "1: no choice here is ours");
        } else {
            self.row("runs", &format!("up to {}, one for each way through our choices", runs.len()));
            for (i, run) in runs.iter().enumerate() {
                self.row("", &format!("{}: {}", i + 1, run.join("; ")));
            }
        }
        if !self.left_out.is_empty() {
            let left = self.left_out.join(", ");
            self.row("left out", &format!("over {}: {left}", self.transport));
        }
    }
}

/// More runs than this are counted, not listed.
const MOST_RUNS: usize = 64;

fn runs(choices: &[(String, Vec<String>)]) -> Vec<Vec<String>> {
    let mut runs: Vec<Vec<String>> = vec![Vec::new()];
    for (step, options) in choices {
        runs = runs
            .iter()
            .flat_map(|run| {
                options.iter().map(move |option| {
                    let mut run = run.clone();
                    run.push(format!("step {step} {option}"));
                    run
                })
            })
            .take(MOST_RUNS)
            .collect();
    }
    runs
}

fn opening(scenario: &Scenario, revision: Revision) -> String {
    match (revision.era(), &scenario.opening) {
        (Era::Modern, _) => "none, or server/discover".to_owned(),
        (Era::Legacy, None) if writes_it_out(scenario) => {
            "as the steps say; the rest of the handshake by itself".to_owned()
        }
        (Era::Legacy, None) => "initialize, notifications/initialized".to_owned(),
        (Era::Legacy, Some(opening)) => {
            let part = |name: &str, p: &Option<Pattern>| p.as_ref().map(|p| format!("{name} {}", spelling::pattern(p)));
            let over: Vec<String> =
                [part("params", &opening.params), part("result", &opening.result)].into_iter().flatten().collect();
            format!("initialize with {}, notifications/initialized", over.join(" and "))
        }
    }
}

/// Is the handshake, or some of it, among the steps?
fn writes_it_out(scenario: &Scenario) -> bool {
    let mut found = false;
    each_step(&scenario.exchange, &mut |step| {
        found |= matches!(&step.body, StepBody::Act(act) if act.greets());
    });
    found
}

fn doing(action: &Action) -> String {
    let mut text = match &action.what {
        Doing::CallTool { step } => format!("call the tool of {step}"),
        Doing::CallToolAsTask { step } => format!("call the tool of {step} as a task"),
        Doing::WhenAsked { step } if step.is_empty() => "answer whatever is asked".to_owned(),
        Doing::WhenAsked { step } => format!("answer what {step} asks"),
        Doing::List { method, step } => format!("list by {} ({step})", spelling::pattern(method)),
        Doing::ListEverything { method } => format!("list by {} to the end", spelling::pattern(method)),
        Doing::Listen { step } => format!("listen ({step})"),
        Doing::Request { step } => format!("make the request {step}"),
        Doing::Cancel { step } => format!("cancel {step}"),
        Doing::ChangeRoots { step } => format!("change the roots ({step})"),
    };
    if let Some(sees) = &action.sees {
        let _ = write!(text, ", and see the answer to {sees}");
    }
    if let Some(once) = &action.once {
        let _ = write!(text, ", once {once} has happened");
    }
    if let Some(with) = &action.with {
        let _ = write!(text, ", with {}", spelling::pattern(with));
    }
    if let Some(after) = action.after {
        let _ = write!(text, ", after {}", spelling::duration(after));
    }
    if let Some(after) = action.gives_up {
        let _ = write!(text, ", giving up after {}", spelling::duration(after));
    }
    if let Some(kind) = &action.collects {
        let _ = write!(text, ", collecting notifications/{kind}");
    }
    text
}

fn loop_notes(l: &Loop) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, first) in &l.carry {
        notes.push(format!("carries ${name}, at first {}", spelling::pattern(first)));
    }
    if let Some(p) = &l.while_ {
        notes.push(format!("while {}", spelling::payload(p).join(", ")));
    }
    if let Some(p) = &l.ends_with {
        notes.push(format!("ends with {}", spelling::payload(p).join(", ")));
    }
    if l.while_.is_none() && l.ends_with.is_none() {
        notes.push("ends when the next step happens".to_owned());
    }
    match (l.at_least, l.at_most) {
        (0, None) => {}
        (1, None) => notes.push("at least 1 turn".to_owned()),
        (least, None) => notes.push(format!("at least {least} turns")),
        (0, Some(1)) => notes.push("at most 1 turn".to_owned()),
        (0, Some(most)) => notes.push(format!("at most {most} turns")),
        (least, Some(most)) => notes.push(format!("{least} to {most} turns")),
    }
    notes
}
