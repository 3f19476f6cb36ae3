//! Server-Sent Events by the standard, at any chunk boundary.
