//! stdio: one message a line, and nothing else. And on every transport: UTF-8.

use crate::conversation::Said;
use crate::judge::frames::Odd;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::wire::{Kind, Party};
use std::collections::HashSet;

/// The rules of lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Who wrote what is no message.
    strayed: HashSet<Party>,
    /// The last message of each party.
    last: [Option<usize>; 2],
}

fn clean(party: Party) -> &'static str {
    match party {
        Party::Client => "transport.stdio.client-stdin-clean",
        Party::Server => "transport.stdio.server-stdout-clean",
    }
}

impl Monitor for Lines {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "transport.stdio.client-stdin-clean",
            "transport.stdio.no-embedded-newlines",
            "transport.stdio.one-message-per-line",
            "transport.stdio.server-stdout-clean",
            "transport.utf8",
        ]
    }

    fn needs(&self) -> &'static [&'static str] {
        // whoever captured messages alone did not see how they were framed
        &["message", "stream-opened"]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.part.is_some() {
            return;
        }
        let shown = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            let short: String = text.trim_end().chars().take(80).collect();
            if short.len() < text.trim_end().len() { format!("`{short}`...") } else { format!("`{short}`") }
        };
        let raw = said.message.raw();
        match scene.frames.get(&index) {
            Some(Odd::NotUtf8) => {
                notes.broken("transport.utf8", index, "", "UTF-8", "bytes that are not");
            }
            Some(Odd::Piece(first)) if *first == index => {
                let expected = "a message on one line";
                notes.broken("transport.stdio.no-embedded-newlines", index, "", expected, "line feeds inside it");
            }
            Some(Odd::Piece(_)) => {}
            Some(Odd::Several) => {
                let id = "transport.stdio.one-message-per-line";
                notes.broken(id, index, "", "one message on the line", "several");
            }
            Some(Odd::Stray) => {
                self.strayed.insert(said.from);
                let found = if raw.trim_ascii().is_empty() { "an empty line".to_owned() } else { shown(raw) };
                notes.broken(clean(said.from), index, "", "messages and nothing else", found);
            }
            None if matches!(said.message.kind(), Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch) => {}
            None => {
                notes.held("transport.stdio.no-embedded-newlines", index);
                notes.held("transport.stdio.one-message-per-line", index);
                if !raw.is_ascii() {
                    notes.held("transport.utf8", index);
                }
                if let Some(last) = self.last.get_mut(usize::from(said.from == Party::Server)) {
                    *last = Some(index);
                }
            }
        }
    }

    fn end(&mut self, scene: &Scene<'_>, notes: &mut Notes<'_>) {
        for (last, party) in self.last.iter().zip([Party::Client, Party::Server]) {
            let strayed = self.strayed.contains(&party) || scene.c.past.strayed(party);
            if let Some(last) = last.filter(|_| !strayed) {
                notes.held(clean(party), last);
            }
        }
    }
}
