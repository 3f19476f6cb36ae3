//! The sequence diagram of a trace as one SVG image: no scripts, no references, light and dark.

use super::drawing::{Drawing, Extent, Item, mark, more, more_findings};
use super::reading::{Row, Shape};
use super::text::{cut, short, wrap};
use crate::judge::{Finding, Judgement, Verdict};
use crate::trace::Trace;
use crate::wire::Party;
use std::fmt::Write as _;

/// The width of the image, in its own units; it scales to any.
const WIDE: u32 = 1000;
/// From the left edge to the client's line: the numbers of events stand there.
const LEFT: u32 = 84;
/// From the server's line to the right edge, where no HTTP round trips are named, and where they are.
const RIGHT: (u32, u32) = (40, 200);
/// The width of a column of the type of labels, in tenths.
const COLUMN: u32 = 73;
/// The width of a column of the smaller type, in tenths.
const SMALL: u32 = 64;
/// The height of a row of a message, and of a line of text.
const ROW: u32 = 36;
const LINE: u32 = 19;
/// Lines of a finding at most.
const LINES: usize = 4;

/// Colours: what is drawn in which, on light and on dark ground.
const COLOURS: [(&str, &str, &str, &str); 9] = [
    ("ground", "fill", "#ffffff", "#0d1117"),
    ("edge", "stroke", "#d1d9e0", "#3d444d"),
    ("text", "fill", "#1f2328", "#f0f6fc"),
    ("faint", "fill", "#59636e", "#9198a1"),
    ("line", "stroke", "#57606a", "#8b949e"),
    ("head", "fill", "#57606a", "#8b949e"),
    ("band", "fill", "#eff2f5", "#212830"),
    ("client", "fill", "#0b57c2", "#79b8ff"),
    ("server", "fill", "#7a3ec2", "#cba6f7"),
];

/// The diagram as SVG, as it stands in a report; see [`Drawing::svg`].
#[must_use]
pub fn svg(trace: &Trace, judgement: &Judgement) -> String {
    Drawing::of(trace, judgement, &Extent::default()).svg()
}

impl Drawing<'_> {
    /// It as SVG, to be written into a file or into a page. Findings are marked and numbered as they stand in the judgement, from
    /// 1. A reader of screens is told each row. Bounded by its rows, whatever a peer sent.
    #[must_use]
    pub fn svg(&self) -> String {
        let (trace, items) = (self.trace, &self.items);
        let notes = items.iter().any(|item| matches!(item, Item::Row { row, .. } if !row.note.is_empty()));
        let mut pen = Pen { out: String::new(), y: 72, server: WIDE - if notes { RIGHT.1 } else { RIGHT.0 } };
        for item in items {
            match item {
                Item::Row { row, verdict } => pen.row(row, *verdict),
                Item::Gap(hidden) => pen.gap(&more(*hidden)),
                Item::More(findings) => pen.gap(&more_findings(*findings)),
                Item::Finding { number, finding, parted } => pen.finding(*number, finding, *parted),
                Item::NeverCame { party, finding } => pen.never_came(*party, finding),
            }
        }
        let high = pen.y + 16;
        let named = heading(self);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDE} {high}\" class=\"mcp-diagram\" role=\"group\" \
             aria-label=\"{named}\" font-family=\"ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
             font-size=\"12\">\n<title>{named}</title>\n<style>\n"
        );
        out.push_str(".mcp-diagram text { white-space: pre }\n@media (prefers-color-scheme: dark) {\n");
        for (name, what, _, dark) in COLOURS {
            let _ = writeln!(out, ".mcp-diagram .mcp-{name} {{ {what}: {dark} }}");
        }
        for verdict in [Verdict::Fail, Verdict::Warn, Verdict::Inconclusive] {
            let (name, _, dark) = tone(verdict);
            let _ = writeln!(out, ".mcp-diagram .mcp-{name} {{ fill: {dark} }}");
            let _ = writeln!(out, ".mcp-diagram .mcp-{name}-line {{ stroke: {dark} }}");
        }
        out.push_str("}\n</style>\n");
        let _ = writeln!(
            out,
            "<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" {}/>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"none\" {}/>",
            WIDE - 1,
            high - 1,
            paint("ground"),
            WIDE - 1,
            high - 1,
            paint("edge")
        );
        out.push_str(&pen.lifelines(trace, high));
        out.push_str(&pen.out);
        out.push_str("</svg>\n");
        out
    }
}

/// What the image is, in one line of XML text.
fn heading(drawing: &Drawing<'_>) -> String {
    let Drawing { trace, items } = drawing;
    let messages = drawing.drawn();
    let of = |party: Party, name: &str| {
        let name = short(name, 40);
        if name.is_empty() || name == party.as_str() { party.to_string() } else { format!("{party} {name}") }
    };
    let mut said = format!(
        "Sequence diagram of {} and {}, {messages} messages shown",
        of(Party::Client, &trace.header.client),
        of(Party::Server, &trace.header.server)
    );
    for item in items {
        if let Item::Finding { number, finding, parted: true } = item {
            said.push_str(&format!("; they parted at finding {number}: {}, {}", finding.verdict, finding.blame));
        }
    }
    xml(&said)
}

/// The class and the light colour of something.
fn paint(name: &str) -> String {
    let Some((name, what, light, _)) = COLOURS.iter().find(|(own, ..)| *own == name) else { return String::new() };
    format!("class=\"mcp-{name}\" {what}=\"{light}\"")
}

/// The name of a verdict's colour, and the colour on light and on dark ground.
fn tone(verdict: Verdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Verdict::Warn => ("warn", "#9a6700", "#e3b341"),
        Verdict::Inconclusive => ("open", "#8250df", "#bc8cff"),
        _ => ("fail", "#cf222e", "#ff7b72"),
    }
}

/// Fill and line in the colour of a verdict, or of nothing special.
fn fill(verdict: Option<Verdict>) -> String {
    verdict.map_or_else(
        || paint("head"),
        |verdict| {
            let (name, light, _) = tone(verdict);
            format!("class=\"mcp-{name}\" fill=\"{light}\"")
        },
    )
}

fn stroke(verdict: Option<Verdict>) -> String {
    verdict.map_or_else(
        || paint("line"),
        |verdict| {
            let (name, light, _) = tone(verdict);
            format!("class=\"mcp-{name}-line\" stroke=\"{light}\"")
        },
    )
}

struct Pen {
    out: String,
    y: u32,
    /// Where the server's line is.
    server: u32,
}

impl Pen {
    /// Columns between the lines.
    fn columns(&self) -> usize {
        usize::try_from((self.server - LEFT - 40) * 10 / COLUMN).unwrap_or(0)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn lifelines(&self, trace: &Trace, high: u32) -> String {
        let mut out = String::new();
        for (x, party, name) in
            [(LEFT, Party::Client, &trace.header.client), (self.server, Party::Server, &trace.header.server)]
        {
            let _ = writeln!(
                out,
                "<path d=\"M{x} 56V{}\" {} stroke-width=\"1.5\" stroke-dasharray=\"2 4\"/>",
                high - 12,
                paint("line")
            );
            let half = usize::try_from((self.server - LEFT) * 5 / COLUMN).unwrap_or(0);
            let name = short(name, half.saturating_sub(4));
            let (anchor, at) = match party {
                Party::Client => ("start", 24),
                Party::Server => ("end", x + 16),
            };
            let _ = writeln!(
                out,
                "<text x=\"{at}\" y=\"24\" text-anchor=\"{anchor}\" font-size=\"11\" letter-spacing=\"1\" {}>{}</text>\n\
                 <text x=\"{at}\" y=\"43\" text-anchor=\"{anchor}\" font-size=\"14\" font-weight=\"bold\" {}>{}</text>\n\
                 <circle cx=\"{x}\" cy=\"56\" r=\"5\" {}/>",
                paint(party.as_str()),
                party.as_str().to_uppercase(),
                paint("text"),
                xml(&name),
                paint(party.as_str())
            );
        }
        out
    }

    fn row(&mut self, row: &Row, verdict: Option<Verdict>) {
        let number = row.events.first().map_or(String::new(), u32::to_string);
        let who = match row.shape {
            Shape::Arrow(Party::Client) => "client to server: ",
            Shape::Arrow(Party::Server) => "server to client: ",
            Shape::Folded => "both: ",
            Shape::Aside(Party::Client) => "at the client: ",
            Shape::Aside(Party::Server) => "at the server: ",
        };
        let note = if row.note.is_empty() { String::new() } else { format!(", {}", row.note) };
        let told = xml(&cut(&format!("event {number}, {who}{}{note}", row.label), 400));
        self.put(&format!("<g role=\"img\" aria-label=\"{told}\"><title>{told}</title>"));
        let y = self.y;
        if let Some(verdict) = verdict {
            self.put(&format!(
                "<rect x=\"8\" y=\"{}\" width=\"{}\" height=\"{ROW}\" rx=\"4\" fill-opacity=\"0.1\" {}/>",
                y - 2,
                WIDE - 16,
                fill(Some(verdict))
            ));
            let badge = format!(
                "<text x=\"16\" y=\"{}\" font-size=\"14\" font-weight=\"bold\" {}>{}</text>",
                y + 27,
                fill(Some(verdict)),
                mark(verdict)
            );
            self.put(&badge);
        }
        self.put(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"11\" {}>{}</text>",
            LEFT - 14,
            y + if matches!(row.shape, Shape::Arrow(_)) { 27 } else { 20 },
            paint("faint"),
            xml(&cut(&number, 5))
        ));
        let label = cut(&row.label, self.columns());
        match row.shape {
            Shape::Arrow(from) => self.arrow(from, &label, verdict, false),
            Shape::Folded => self.folded(&label, verdict),
            Shape::Aside(party) => self.aside(party, &label),
        }
        if !row.note.is_empty() {
            let columns = usize::try_from((WIDE - self.server - 28) * 10 / SMALL).unwrap_or(0);
            self.put(&format!(
                "<text x=\"{}\" y=\"{}\" font-size=\"10.5\" {}>{}</text>",
                self.server + 14,
                y + 27,
                paint("faint"),
                xml(&cut(&row.note, columns))
            ));
        }
        self.put("</g>");
        self.y += ROW;
    }

    /// The head of an arrow that ends at `x`.
    fn head(&mut self, x: u32, to_the_right: bool, y: u32, verdict: Option<Verdict>) {
        let back = if to_the_right { x - 9 } else { x + 9 };
        self.put(&format!("<path d=\"M{x} {y}L{back} {}V{}Z\" {}/>", y - 5, y + 5, fill(verdict)));
    }

    /// An arrow with its label above it; open and dashed if it never came.
    fn arrow(&mut self, from: Party, label: &str, verdict: Option<Verdict>, dashed: bool) {
        let y = self.y + 23;
        let (left, right) = (LEFT + 2, self.server - 2);
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.put(&format!("<path d=\"M{left} {y}H{right}\" {} stroke-width=\"1.5\"{dash}/>", stroke(verdict)));
        let (x, anchor) = match from {
            Party::Client => (LEFT + 16, "start"),
            Party::Server => (self.server - 16, "end"),
        };
        let colour = match (verdict, dashed) {
            (Some(_), _) | (_, true) => fill(verdict),
            _ => paint("text"),
        };
        self.put(&format!("<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" {colour}>{}</text>", y - 7, xml(label)));
        if dashed {
            let x = if from == Party::Client { right - 8 } else { left + 8 };
            let cross = format!("M{} {}l10 10m0 -10l-10 10", x - 5, y - 5);
            self.put(&format!("<path d=\"{cross}\" fill=\"none\" stroke-width=\"2\" {}/>", stroke(verdict)));
        } else {
            self.head(if from == Party::Client { right } else { left }, from == Party::Client, y, verdict);
        }
    }

    fn folded(&mut self, label: &str, verdict: Option<Verdict>) {
        let y = self.y + 4;
        let (left, right) = (LEFT + 2, self.server - 2);
        self.put(&format!(
            "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"24\" rx=\"4\" {}/>",
            left + 12,
            right - left - 24,
            paint("band")
        ));
        let middle = y + 12;
        self.put(&format!(
            "<path d=\"M{left} {middle}h16M{right} {middle}h-16\" {} stroke-width=\"1.5\"/>",
            stroke(verdict)
        ));
        self.head(left, false, middle, verdict);
        self.head(right, true, middle, verdict);
        let at = (left + right) / 2;
        self.put(&format!(
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\" {}>{}</text>",
            middle + 4,
            paint("text"),
            xml(label)
        ));
    }

    fn aside(&mut self, party: Party, label: &str) {
        let y = self.y + 18;
        let (x, at, anchor) = match party {
            Party::Client => (LEFT, LEFT + 16, "start"),
            Party::Server => (self.server, self.server - 16, "end"),
        };
        self.put(&format!("<path d=\"M{x} {}l6 6l-6 6l-6 -6Z\" {}/>", y - 6, paint(party.as_str())));
        self.put(&format!(
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\" font-style=\"italic\" {}>{}</text>",
            y + 4,
            paint("faint"),
            xml(label)
        ));
    }

    fn gap(&mut self, words: &str) {
        let at = (LEFT + self.server) / 2;
        self.put(&format!(
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\" {}>{}</text>",
            self.y + 19,
            paint("faint"),
            words
        ));
        self.y += 30;
    }

    fn finding(&mut self, number: usize, finding: &Finding, parted: bool) {
        let columns = self.columns();
        let found = short(&finding.found, columns * LINES);
        let lines = wrap(&format!("{number}. {}, {}: {found}", finding.verdict, finding.blame), columns);
        let shown = lines.get(..LINES).unwrap_or(&lines);
        let high = LINE * u32::try_from(shown.len() + usize::from(parted)).unwrap_or(0) + 14;
        let verdict = Some(finding.verdict);
        let y = self.y + 2;
        let told =
            xml(&short(&format!("finding {number}, {}, {}: {}", finding.verdict, finding.blame, finding.found), 400));
        self.put(&format!("<g role=\"img\" aria-label=\"{told}\"><title>{told}</title>"));
        self.put(&format!(
            "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{high}\" rx=\"4\" fill-opacity=\"0.14\" {}/>\n\
             <rect x=\"{}\" y=\"{y}\" width=\"4\" height=\"{high}\" {}/>",
            LEFT + 14,
            self.server - LEFT - 28,
            fill(verdict),
            LEFT + 14,
            fill(verdict)
        ));
        let mut at = y + 20;
        if parted {
            self.put(&format!(
                "<text x=\"{}\" y=\"{at}\" font-size=\"11\" font-weight=\"bold\" {}>Here the two parted</text>",
                LEFT + 28,
                fill(verdict)
            ));
            at += LINE;
        }
        for (i, line) in shown.iter().enumerate() {
            let more = if i + 1 == shown.len() && lines.len() > shown.len() { "…" } else { "" };
            self.put(&format!("<text x=\"{}\" y=\"{at}\" {}>{}{more}</text>", LEFT + 28, paint("text"), xml(line)));
            at += LINE;
        }
        self.put("</g>");
        self.y += high + 8;
    }

    fn never_came(&mut self, party: Party, finding: &Finding) {
        let label = cut(&format!("never came: {}", short(&finding.expected, self.columns())), self.columns());
        let told = xml(&format!("from the {party}, {label}"));
        self.put(&format!("<g role=\"img\" aria-label=\"{told}\"><title>{told}</title>"));
        self.arrow(party, &label, Some(finding.verdict), true);
        self.put("</g>");
        self.y += ROW;
    }
}

/// The text as it stands in XML, between tags or in quotes. What [`super::text`] let through may still be no character of XML.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
