//! The schemas of every revision, compiled per definition, and the choice of the definition by what a message is.
