//! The session logic of Streamable HTTP, without I/O.
