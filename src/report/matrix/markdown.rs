//! A matrix as Markdown: a table that a page can hold, and all that is behind it.

use super::{Named, left_out, named, numbers, reason, selection, share, shown, tables, word};
use crate::judge::Verdict;
use crate::report::mermaid;
use crate::report::text::{count, short};
use crate::run::matrix::sum::State;
use crate::run::matrix::{Cell, Matrix};
use crate::run::traces;
use crate::spec::Revision;
use crate::trace::Transport;
use std::fmt::Write as _;

/// Characters of a text of a peer.
const SHOWN: usize = 300;

/// The tables with a line for each finding, to stand in a page about something else. Ends in a line feed.
#[must_use]
pub fn brief(matrix: &Matrix) -> String {
    let named = named(matrix);
    let mut out = format!("{}.\n", text(&selection(matrix)));
    for (revision, transport) in tables(matrix) {
        table(&mut out, matrix, &named, revision, transport);
    }
    if !named.is_empty() {
        out.push('\n');
    }
    for (i, finding) in named.iter().enumerate() {
        let known = match (finding.known, finding.unseen) {
            (Some(_), _) => " (known)",
            (None, true) => " (nobody has looked at it)",
            (None, false) => "",
        };
        let _ = writeln!(
            out,
            "{}. <a id=\"finding-{0}\"></a>**{}**, {}: {}{known}. {}",
            i + 1,
            finding.verdict,
            text(&finding.whose),
            code(&finding.what()),
            text(&finding.sentence()),
        );
    }
    for why in reasons(matrix) {
        let _ = writeln!(out, "\n{why}");
    }
    out
}

/// The report, which lies in a folder with the records. Ends in a line feed.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let named = named(matrix);
    let mut out = format!("# Who understands whom\n\n{}", brief(matrix));
    for (i, finding) in named.iter().enumerate() {
        let _ = writeln!(out, "\n## {}. {}: {}\n", i + 1, text(&finding.whose), text(&finding.what()));
        details(&mut out, finding);
    }
    out.push_str("\n# Cells\n");
    for cell in &matrix.cells {
        let place = format!("{} with {} over {}, {}", cell.client, cell.server, cell.transport, cell.revision);
        let _ = writeln!(out, "\n## {}: {}\n", text(&place), word(cell));
        plays(&mut out, cell);
    }
    out
}

fn details(out: &mut String, finding: &Named<'_>) {
    let Some((cell, played, first)) = finding.first() else { return };
    let _ = writeln!(out, "{}\n", text(&finding.sentence()));
    let _ = writeln!(
        out,
        "- expected: {}\n- came: {}",
        text(&short(&first.expected, SHOWN)),
        text(&short(&first.found, SHOWN))
    );
    if let Some(standing) = finding.standing() {
        let _ = writeln!(out, "- {}", text(&standing));
    }
    for (cell, shows) in &finding.places {
        let names = traces::names(&cell.results.played);
        for show in *shows {
            let (Some((played, found)), Some(name)) = (shown(cell, show), names.get(show.play)) else { continue };
            let event = found.event.map_or_else(String::new, |event| format!(", event {event}"));
            let pair = format!("{} with {}: {}", cell.client, cell.server, played.name());
            let _ = writeln!(out, "- [{}]({}/{name}){event}", text(&pair), super::folder(cell));
        }
    }
    let pair = format!("{} with {}: {}", cell.client, cell.server, played.name());
    let _ = writeln!(out, "\n```sh\nmcp-interop {}\n```\n\n{}\n", played.again, text(&pair));
    let _ = writeln!(out, "```mermaid\n{}\n```", mermaid(&played.trace, &played.judgement).trim_end());
}

fn plays(out: &mut String, cell: &Cell) {
    if let Some(why) = reason(cell) {
        let _ = writeln!(out, "{}\n", text(&why));
    }
    let names = traces::names(&cell.results.played);
    for (played, name) in cell.results.played.iter().zip(names) {
        let found = match played.judgement.findings.len() {
            0 => String::new(),
            n => format!(", {}", count(n, "finding")),
        };
        let _ = writeln!(
            out,
            "- {}: [{}]({}/{name}){found}",
            played.judgement.verdict,
            text(&played.name()),
            super::folder(cell)
        );
    }
    for (why, scenarios) in left_out(cell) {
        let _ = writeln!(out, "- not played: {}: {}", text(&scenarios.join(", ")), text(why));
    }
}

fn table(out: &mut String, matrix: &Matrix, named: &[Named<'_>], revision: Revision, transport: Transport) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let _ = writeln!(out);
    let mut head = vec![format!("{revision} over {transport}: client ↓ server →")];
    head.extend(matrix.servers.iter().map(|name| text(name)));
    out.push_str(&row(head));
    out.push_str(&row(vec!["---".to_owned(); matrix.servers.len() + 1]));
    for client in &matrix.clients {
        let mut cells = vec![format!("**{}**", text(client))];
        let of = |server: &String| {
            matrix.cell(client, server, transport, revision).map_or_else(String::new, |c| cell(c, named))
        };
        cells.extend(matrix.servers.iter().map(of));
        out.push_str(&row(cells));
    }
}

fn cell(cell: &Cell, named: &[Named<'_>]) -> String {
    let mark = match (&cell.sum.state, cell.sum.verdict) {
        (State::Unsupported(_) | State::Interrupted, _) | (_, Verdict::NotExercised) => "➖",
        (State::Apart(_), _) => "🚫",
        (_, Verdict::Pass) => "✅",
        (_, Verdict::Warn) => "⚠️",
        (_, Verdict::Inconclusive) => "❔",
        (_, Verdict::Fail | Verdict::Error) => "❌",
    };
    let mut said = vec![format!("{mark} {}", word(cell))];
    said.extend(share(cell));
    let (new, known) = numbers(cell, named);
    let join = |all: &[usize]| all.iter().map(|n| format!("[{n}](#finding-{n})")).collect::<Vec<_>>().join(" ");
    if !new.is_empty() {
        said.push(format!("#{}", join(&new)));
    }
    if !known.is_empty() {
        said.push(format!("({})", join(&known)));
    }
    said.join(" ")
}

/// Why there is nothing in some cells, a line for each reason.
fn reasons(matrix: &Matrix) -> Vec<String> {
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for cell in matrix.cells.iter().filter(|cell| cell.sum.state != State::Played) {
        let Some(why) = reason(cell).map(|why| format!("{}: {why}", word(cell))) else { continue };
        let place = format!("{} with {} over {}", cell.client, cell.server, cell.transport);
        match said.iter_mut().find(|(known, _)| *known == why) {
            Some((_, places)) => places.push(place),
            None => said.push((why, vec![place])),
        }
    }
    said.into_iter().map(|(why, places)| format!("{}: {}", text(&places.join(", ")), text(&why))).collect()
}

/// A text of any origin as it stands in Markdown: nothing in it is markup, and it is one line.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in crate::report::text::escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text of any origin as code.
fn code(text: &str) -> String {
    let text = crate::report::text::escape(text).replace('`', "'").replace('|', "\\|");
    format!("`{text}`")
}
