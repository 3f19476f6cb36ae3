//! Text that may be shown on a terminal: nothing in it moves the cursor, changes colours or is wider than it should be.

use unicode_width::UnicodeWidthChar as _;

/// Columns that a character takes on a terminal; of a character that [`push_escaped`] replaces, none.
fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Would showing that character as it is do anything but show it? Controls, and the invisible characters that reorder text,
/// break lines or hide.
fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Appends a character as it can be shown; gives the columns it takes.
pub(crate) fn push_escaped(out: &mut String, c: char) -> usize {
    if !unsafe_to_show(c) {
        out.push(c);
        return columns(c);
    }
    let written = match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    };
    out.push_str(&written);
    written.len()
}

/// The text with everything escaped that a terminal would not simply show; on one line.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out
}

/// Bytes as text that can be shown: UTF-8 as it is, escaped; other bytes as `\xNN`.
#[must_use]
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The columns that a text takes, as far as that can be known.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The beginning of a text that fits into so many columns, with `…` where something was left out. A character that takes no
/// column still counts for the bound: nobody piles a thousand accents on one letter.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    // the rest need not be looked at
    if text.len() <= most || (width(text) <= most && text.chars().count() <= most.saturating_mul(4)) {
        return text.to_owned();
    }
    if most == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars().take(most.saturating_mul(4)) {
        if taken + columns(c) > most - 1 {
            break;
        }
        taken += columns(c);
        out.push(c);
    }
    out.push('…');
    out
}

/// Escaped and cut; looks at no more of a long text than it shows.
#[must_use]
pub fn short(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().take(most.saturating_mul(4).saturating_add(1)) {
        push_escaped(&mut out, c);
    }
    cut(&out, most)
}

/// The text with blanks up to so many columns.
#[must_use]
pub fn pad(text: &str, to: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', to.saturating_sub(width(text))));
    out
}

/// The text in lines of at most so many columns, broken at blanks where there are some; never empty.
#[must_use]
pub fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = 0;
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let wide = width(word);
        if taken > 0 && taken + 1 + wide > most {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        }
        if taken > 0 {
            line.push(' ');
            taken += 1;
        }
        for c in word.chars() {
            if taken > 0 && taken + columns(c) > most {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            line.push(c);
            taken += columns(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// `1 requirement`, `2 requirements`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(
            escape("a\x1b[31mred\x1b[0m\r\n\t\u{9b}2J\u{202e}x"),
            "a\\u{1b}[31mred\\u{1b}[0m\\r\\n\\t\\u{9b}2J\\u{202e}x"
        );
        assert_eq!(escape_bytes(b"ok \xff\xfe\x1b["), "ok \\xff\\xfe\\u{1b}[");
        assert_eq!(escape("ä 中 \u{1f600}"), "ä 中 \u{1f600}");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("中文"), 4);
        assert_eq!(cut("中文字", 5), "中文…");
        assert_eq!(cut("中文字", 4), "中…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(pad("中", 4), "中  ");
    }

    #[test]
    fn prose_is_broken_at_blanks_and_words_only_when_they_must() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }

    proptest! {
        #[test]
        fn what_is_cut_or_wrapped_fits(text in any::<String>(), most in 2usize..40) {
            let shown = escape(&text);
            prop_assert!(!shown.chars().any(unsafe_to_show));
            prop_assert!(width(&cut(&shown, most)) <= most);
            prop_assert!(width(&short(&text, most)) <= most);
            for line in wrap(&shown, most) {
                prop_assert!(width(&line) <= most, "{line:?}");
            }
        }
    }
}
