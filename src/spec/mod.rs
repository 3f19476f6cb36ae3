//! What the specification says, as data: revisions, schemas, methods, requirements.

pub mod catalogue;
pub mod decision;
pub mod definition;
pub mod methods;
pub mod peer_schema;
pub mod revision;
pub mod schema;
mod violation;

pub use catalogue::{Bound, Catalogue, Level, Requirement, Seen};
pub use decision::Decision;
pub use definition::{Asked, Part, check, choose};
pub use methods::{Method, RELATED_TASK};
pub use revision::{Era, Revision};
pub use schema::Schemas;
pub use violation::Violation;

/// FNV-1a of some bytes: tells texts apart that changed, and keeps nobody out.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Digests of what a revision is judged by, in hexadecimal: its catalogue and its schemas.
#[must_use]
pub fn digests(revision: Revision) -> serde_json::Map<String, serde_json::Value> {
    let hex = |text: &str| serde_json::Value::from(format!("{:016x}", digest(text.as_bytes())));
    let mut map = serde_json::Map::new();
    map.insert("catalogue".into(), hex(catalogue::Catalogue::text(revision)));
    map.insert("schemas".into(), hex(schema::Schemas::text(revision)));
    map
}
