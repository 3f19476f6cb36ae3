//! A matrix as one HTML page that needs nothing else: no scripts, no references but to the records beside it.

use super::{Named, folder, left_out, named, numbers, reason, selection, share, shown, tables, word};
use crate::judge::Verdict;
use crate::report::svg;
use crate::run::matrix::since::{Change, Kind};
use crate::run::matrix::sum::State;
use crate::run::matrix::{Cell, Matrix};
use crate::run::traces;
use crate::spec::Revision;
use crate::trace::Transport;
use std::fmt::Write as _;

/// How it looks, on light and on dark ground.
const LOOKS: &str = "
:root { color-scheme: light dark; --ground: #ffffff; --text: #1f2328; --faint: #59636e; --edge: #d1d9e0; --band: #f6f8fa;
  --pass: #1a7f37; --warn: #9a6700; --fail: #cf222e; --open: #8250df; --link: #0969da }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #f0f6fc; --faint: #9198a1; --edge: #3d444d;
  --band: #151b23; --pass: #3fb950; --warn: #d29922; --fail: #f85149; --open: #ab7df8; --link: #4493f8 } }
body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem }
a { color: var(--link) }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
caption { font-weight: 600; text-align: left; padding: .3rem 0 }
th, td { border: 1px solid var(--edge); padding: .4rem .6rem; text-align: left; vertical-align: top }
thead th, tbody th { background: var(--band) }
td .why { color: var(--faint); display: block; font-size: .85em }
.pass { color: var(--pass) } .warn { color: var(--warn) } .fail, .error { color: var(--fail) } .inconclusive { color: var(--open) }
.not-exercised { color: var(--faint) }
section { border-top: 1px solid var(--edge); margin-top: 1.5rem; padding-top: .5rem }
pre { background: var(--band); overflow-x: auto; padding: .6rem }
svg { height: auto; max-width: 100% }
li { margin: .3rem 0 }
";

/// The page, which lies in a folder with the records. `changes`: since an older matrix, if there was one.
#[must_use]
pub fn html(matrix: &Matrix, changes: Option<&[Change]>) -> String {
    let named = named(matrix);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Who understands whom</title>\n<style>{LOOKS}</style>\n\
         </head>\n<body>\n<h1>Who understands whom</h1>\n<p>{}.</p>\n",
        escape(&selection(matrix))
    );
    if matrix.interrupted {
        out.push_str("<p class=\"inconclusive\">It was interrupted: not all was played.</p>\n");
    }
    for (revision, transport) in tables(matrix) {
        table(&mut out, matrix, &named, revision, transport);
    }
    changes.into_iter().for_each(|changes| changed(&mut out, changes));
    if !named.is_empty() {
        out.push_str("<h2>What is wrong</h2>\n");
    }
    named.iter().enumerate().for_each(|(i, finding)| details(&mut out, i + 1, finding, matrix));
    out.push_str("<h2>Cells</h2>\n");
    matrix.cells.iter().for_each(|cell| section(&mut out, cell, matrix));
    out.push_str("</body>\n</html>\n");
    out
}

/// The class of a verdict.
fn class(verdict: Verdict) -> String {
    verdict.as_str().replace(' ', "-")
}

/// The class of a cell.
fn looks(cell: &Cell) -> String {
    match &cell.sum.state {
        State::Unsupported(_) | State::Interrupted => class(Verdict::NotExercised),
        _ => class(cell.sum.verdict),
    }
}

/// What a link to a cell names.
fn anchor(cell: &Cell, matrix: &Matrix) -> String {
    let at = matrix.cells.iter().position(|other| std::ptr::eq(other, cell)).unwrap_or_default();
    format!("cell-{at}")
}

fn table(out: &mut String, matrix: &Matrix, named: &[Named<'_>], revision: Revision, transport: Transport) {
    let _ = write!(
        out,
        "<table>\n<caption>{revision} over {transport}: clients down, servers across</caption>\n<thead><tr><td></td>"
    );
    matrix.servers.iter().for_each(|name| out.push_str(&format!("<th scope=\"col\">{}</th>", escape(name))));
    out.push_str("</tr></thead>\n<tbody>\n");
    for client in &matrix.clients {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(client));
        for server in &matrix.servers {
            let Some(cell) = matrix.cell(client, server, transport, revision) else {
                out.push_str("<td></td>");
                continue;
            };
            let said = [Some(word(cell)), share(cell)].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let to = anchor(cell, matrix);
            let _ = write!(out, "<td><a class=\"{}\" href=\"#{to}\">{}</a>", looks(cell), escape(&said));
            let (new, known) = numbers(cell, named);
            for (all, note) in [(new, ""), (known, " known")] {
                if all.is_empty() {
                    continue;
                }
                let links: Vec<String> = all.iter().map(|n| format!("<a href=\"#finding-{n}\">{n}</a>")).collect();
                let _ = write!(out, "<span class=\"why\">{}{note}</span>", links.join(" "));
            }
            if cell.sum.state != State::Played {
                reason(cell).into_iter().for_each(|why| {
                    out.push_str(&format!("<span class=\"why\">{}</span>", escape(&why)));
                });
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

fn changed(out: &mut String, changes: &[Change]) {
    out.push_str("<h2>Since the older report</h2>\n");
    if changes.is_empty() {
        out.push_str("<p>Nothing has changed.</p>\n");
        return;
    }
    out.push_str("<ul>\n");
    for change in changes {
        let class = match change.kind {
            Kind::Worse => "fail",
            Kind::Better => "pass",
            Kind::New => "not-exercised",
        };
        let place = escape(&change.place.to_string());
        let _ = write!(out, "<li><span class=\"{class}\">{}</span> {place}<ul>", change.kind.as_str());
        change.worse.iter().for_each(|what| out.push_str(&format!("<li class=\"fail\">{}</li>", escape(what))));
        change.better.iter().for_each(|what| out.push_str(&format!("<li class=\"pass\">{}</li>", escape(what))));
        out.push_str("</ul></li>\n");
    }
    out.push_str("</ul>\n");
}

fn details(out: &mut String, number: usize, finding: &Named<'_>, matrix: &Matrix) {
    let _ = write!(
        out,
        "<section id=\"finding-{number}\">\n<h3>{number}. <span class=\"{}\">{}</span>, {}: <code>{}</code></h3>\n<p>{}</p>\n",
        class(finding.verdict),
        finding.verdict,
        escape(&finding.whose),
        escape(&finding.what()),
        escape(&finding.sentence())
    );
    if let Some((_, _, first)) = finding.first() {
        let _ = writeln!(out, "<p>Expected {}; came {}.</p>", escape(&first.expected), escape(&first.found));
    }
    if let Some(standing) = finding.standing() {
        let _ = writeln!(out, "<p class=\"not-exercised\">{}</p>", escape(&standing));
    }
    out.push_str("<ul>\n");
    for (cell, shows) in &finding.places {
        let names = traces::names(&cell.results.played);
        for show in *shows {
            let (Some((played, found)), Some(name)) = (shown(cell, show), names.get(show.play)) else { continue };
            let event = found.event.map_or_else(String::new, |event| format!(", event {event}"));
            let pair = format!("{} with {}", cell.client, cell.server);
            let _ = writeln!(
                out,
                "<li><a href=\"#{}\">{}</a>: <a href=\"{}/{name}\">{}</a>{event}</li>",
                anchor(cell, matrix),
                escape(&pair),
                folder(cell),
                escape(&played.name())
            );
        }
    }
    out.push_str("</ul>\n</section>\n");
}

fn section(out: &mut String, cell: &Cell, matrix: &Matrix) {
    let place = format!("{} with {} over {}, {}", cell.client, cell.server, cell.transport, cell.revision);
    let _ = write!(
        out,
        "<section id=\"{}\">\n<h3>{}: <span class=\"{}\">{}</span></h3>\n",
        anchor(cell, matrix),
        escape(&place),
        looks(cell),
        escape(&word(cell))
    );
    reason(cell).into_iter().for_each(|why| out.push_str(&format!("<p>{}</p>\n", escape(&why))));
    out.push_str("<ul>\n");
    let names = traces::names(&cell.results.played);
    for (played, name) in cell.results.played.iter().zip(names) {
        let verdict = played.judgement.verdict;
        let _ = writeln!(
            out,
            "<li><span class=\"{}\">{verdict}</span> <a href=\"{}/{name}\">{}</a> {}",
            class(verdict),
            folder(cell),
            escape(&played.name()),
            escape(&played.title)
        );
        let _ = write!(
            out,
            "<details><summary>Sequence diagram</summary>\n{}<pre>mcp-interop {}</pre></details></li>\n",
            svg(&played.trace, &played.judgement),
            escape(&played.again)
        );
    }
    for (why, scenarios) in left_out(cell) {
        let _ = writeln!(out, "<li>not played: {}: {}</li>", escape(&scenarios.join(", ")), escape(why));
    }
    out.push_str("</ul>\n</section>\n");
}

/// A text of any origin as it stands in HTML, in an element or in an attribute: nothing in it is markup.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in crate::report::text::escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
