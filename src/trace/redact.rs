//! Secrets out of the run record: pseudonyms that keep equality, length and character class.
