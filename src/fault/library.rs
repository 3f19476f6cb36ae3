//! The faults and controls that are built in.

use super::Fault;
use crate::scenario::diagnostic::closest;
use std::sync::LazyLock;

/// The files they stand in, by name and text, in the order of their names.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/faults.rs"));

/// All of them, in the order of the files. (What cannot be read is left out; a test sees to it that nothing is.)
#[must_use]
pub fn all() -> &'static [Fault] {
    static ALL: LazyLock<Vec<Fault>> =
        LazyLock::new(|| FILES.iter().flat_map(|(_, text)| Fault::read(text).unwrap_or_default()).collect());
    &ALL
}

/// The one with that name.
///
/// # Errors
/// When there is none; suggests the one that may be meant.
pub fn named(name: &str) -> Result<&'static Fault, String> {
    let near = || closest(name, all().iter().map(|f| f.name.as_str()));
    all().iter().find(|f| f.name == name).ok_or_else(|| match near() {
        Some(near) => format!("there is no fault `{name}`; did you mean `{near}`?"),
        None => format!("there is no fault `{name}`"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_can_be_read_and_every_name_is_one_faults() {
        let count: usize = FILES.iter().map(|(_, text)| Fault::read(text).unwrap().len()).sum();
        assert_eq!(all().len(), count);
        let names: BTreeSet<&str> = all().iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_name_that_is_nearly_right_is_suggested() {
        assert_eq!(named("answers-twice").unwrap().name, "answers-twice");
        let said = named("answers-twize").unwrap_err();
        assert_eq!(said, "there is no fault `answers-twize`; did you mean `answers-twice`?");
        assert_eq!(named("zzz").unwrap_err(), "there is no fault `zzz`");
    }
}
