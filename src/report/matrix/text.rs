//! A matrix in the terminal: clients down, servers across.

use super::{left_out, named, numbers, reason, selection, share, shown, tables, word};
use crate::judge::Verdict;
use crate::report::exit;
use crate::report::page::Page;
use crate::report::style::{Style, Tone};
use crate::report::text::{count, cut, pad, short, width, wrap};
use crate::run::matrix::since::{Change, Kind};
use crate::run::matrix::sum::State;
use crate::run::matrix::{Cell, Matrix};
use crate::spec::Revision;
use crate::trace::Transport;

/// Columns of a cell, with the space before it.
const CELL: usize = 21;
/// Columns for the names of clients.
const NAMES: usize = 16;
/// Lines that a cell takes at most.
const LINES: usize = 4;
/// Places of a finding that are told.
const PLACES: usize = 8;

/// The report. `code`: the exit code. Ends in a line feed.
#[must_use]
pub fn terminal(matrix: &Matrix, code: u8, style: &Style) -> String {
    let mut page = Page::new(style);
    page.prose(0, Tone::Strong, &selection(matrix));
    for (revision, transport) in tables(matrix) {
        page.blank();
        table(&mut page, matrix, revision, transport);
    }
    findings(&mut page, matrix);
    reasons(&mut page, matrix);
    page.blank();
    page.prose(0, Tone::Plain, &legend(matrix));
    let verdict = matrix.cells.iter().map(|cell| cell.sum.verdict).max().unwrap_or(Verdict::NotExercised);
    let why = match code {
        exit::PEER => "a peer is at fault, in what no baseline knows",
        exit::WELL if verdict >= Verdict::Fail => "what is wrong is known",
        code => exit::meaning(code),
    };
    page.prose(0, Tone::Verdict(verdict), &format!("{verdict}, exit {code}: {why}"));
    page.finish()
}

fn legend(matrix: &Matrix) -> String {
    let took = matrix.took.as_secs();
    let played: usize = matrix.cells.iter().map(|cell| cell.results.played.len()).sum();
    format!(
        "Clients down, servers across; who is at fault, in how many plays; the numbers are those of the findings, in \
         brackets those that are known. {} in {} took {took} s.",
        count(played, "play"),
        count(matrix.cells.len(), "cell"),
    )
}

fn table(page: &mut Page, matrix: &Matrix, revision: Revision, transport: Transport) {
    let named = named(matrix);
    let names = matrix.clients.iter().map(|name| width(name)).max().unwrap_or(0).clamp(7, NAMES) + 1;
    let across = (page.room(0).saturating_sub(names) / CELL).max(1);
    for servers in matrix.servers.chunks(across) {
        let heading = format!("{revision} over {transport}");
        page.pieces(0, &[(Tone::Strong, &heading)]);
        let mut pieces = vec![(Tone::Plain, pad("", names))];
        pieces.extend(servers.iter().map(|name| (Tone::Strong, pad(&short(name, CELL - 1), CELL))));
        line(page, &pieces);
        for client in &matrix.clients {
            let cells: Vec<Vec<(Tone, String)>> = servers
                .iter()
                .map(|server| {
                    matrix.cell(client, server, transport, revision).map_or_else(Vec::new, |c| lines(c, &named))
                })
                .collect();
            let high = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            for row in 0..high {
                let name = if row == 0 { short(client, names - 1) } else { String::new() };
                let mut pieces = vec![(Tone::Strong, pad(&name, names))];
                for cell in &cells {
                    let (tone, text) = cell.get(row).cloned().unwrap_or((Tone::Plain, String::new()));
                    pieces.push((tone, pad(&cut(&text, CELL - 1), CELL)));
                }
                line(page, &pieces);
            }
        }
    }
}

fn line(page: &mut Page, pieces: &[(Tone, String)]) {
    let pieces: Vec<(Tone, &str)> = pieces.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
    page.pieces(0, &pieces);
}

/// A cell: its verdict and who is at fault, then in how many plays, and by which findings.
fn lines(cell: &Cell, named: &[super::Named<'_>]) -> Vec<(Tone, String)> {
    let tone = match &cell.sum.state {
        State::Unsupported(_) | State::Interrupted => Tone::Faint,
        _ => Tone::Verdict(cell.sum.verdict),
    };
    let mut lines = vec![(tone, word(cell))];
    let mut said: Vec<String> = share(cell).into_iter().collect();
    let (new, known) = numbers(cell, named);
    let join = |all: &[usize]| all.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    if !new.is_empty() {
        said.push(format!("#{}", join(&new)));
    }
    if !known.is_empty() {
        said.push(format!("({})", join(&known)));
    }
    if !said.is_empty() {
        lines.extend(wrap(&said.join(" "), CELL - 1).into_iter().take(LINES - 1).map(|line| (Tone::Plain, line)));
    }
    lines
}

fn findings(page: &mut Page, matrix: &Matrix) {
    let named = named(matrix);
    if named.is_empty() {
        return;
    }
    page.blank();
    page.pieces(0, &[(Tone::Strong, "What is wrong")]);
    for (i, finding) in named.iter().enumerate() {
        let verdict = finding.verdict;
        let head = format!("{:>3}. {verdict}  ", i + 1);
        let whose = format!("{}: {}", finding.whose, finding.what());
        page.pieces(0, &[(Tone::Verdict(verdict), &head), (Tone::Strong, &short(&whose, 120))]);
        page.prose(5, Tone::Plain, &finding.sentence());
        if let Some((_, _, first)) = finding.first() {
            page.field(5, "came", Tone::Plain, &first.found);
        }
        if let Some(standing) = finding.standing() {
            page.prose(5, Tone::Faint, &standing);
        }
        for (cell, shows) in finding.places.iter().take(PLACES) {
            let at: Vec<String> = shows
                .iter()
                .filter_map(|show| shown(cell, show))
                .map(|(played, found)| match found.event {
                    Some(event) => format!("event {event} of {}", played.scenario),
                    None => played.scenario.clone(),
                })
                .collect();
            let pair = format!("{} with {} over {}", cell.client, cell.server, cell.transport);
            let more = at.len().saturating_sub(3);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let at = at.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            page.prose(5, Tone::Place, &format!("{pair}: {at}{more}"));
        }
        if finding.places.len() > PLACES {
            page.prose(5, Tone::Faint, &format!("and in {}", count(finding.places.len() - PLACES, "cell more")));
        }
        if let Some((_, played, _)) = finding.first() {
            page.copied(5, "again", &format!("mcp-interop {}", played.again));
        }
    }
}

/// Why there is nothing, or not all, in some cells.
fn reasons(page: &mut Page, matrix: &Matrix) {
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for cell in &matrix.cells {
        let place = format!("{} with {} over {}", cell.client, cell.server, cell.transport);
        let mut all: Vec<String> = reason(cell).into_iter().map(|why| format!("{}: {why}", word(cell))).collect();
        all.extend(
            left_out(cell)
                .into_iter()
                .map(|(why, plays)| format!("{} not played: {why}", count(plays.len(), "scenario"))),
        );
        let come_and_gone = cell.fleeting.iter().map(|f| {
            format!("{} showed in {} on a server that had been used, and not again on a fresh one", f.key, f.scenario)
        });
        all.extend(come_and_gone);
        for why in all {
            match said.iter_mut().find(|(known, _)| *known == why) {
                Some((_, places)) => places.push(place.clone()),
                None => said.push((why, vec![place.clone()])),
            }
        }
    }
    if said.is_empty() {
        return;
    }
    page.blank();
    page.pieces(0, &[(Tone::Strong, "What was not played, or not wholly")]);
    for (why, places) in said {
        page.prose(2, Tone::Plain, &why);
        page.prose(4, Tone::Faint, &places.join("; "));
    }
}

/// What has changed since an older matrix. Ends in a line feed.
#[must_use]
pub fn changes(changes: &[Change], style: &Style) -> String {
    let mut page = Page::new(style);
    page.blank();
    page.pieces(0, &[(Tone::Strong, "Since the older report")]);
    if changes.is_empty() {
        page.prose(2, Tone::Plain, "nothing has changed");
    }
    for change in changes {
        let tone = match change.kind {
            Kind::Worse => Tone::Verdict(Verdict::Fail),
            Kind::Better => Tone::Verdict(Verdict::Pass),
            Kind::New => Tone::Plain,
        };
        page.pieces(
            2,
            &[(tone, &pad(change.kind.as_str(), 8)), (Tone::Strong, &short(&change.place.to_string(), 120))],
        );
        change.worse.iter().for_each(|what| page.prose(4, Tone::Verdict(Verdict::Fail), &format!("- {what}")));
        change.better.iter().for_each(|what| page.prose(4, Tone::Verdict(Verdict::Pass), &format!("+ {what}")));
    }
    page.finish()
}
