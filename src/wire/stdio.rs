//! stdio framing: one message a line.
