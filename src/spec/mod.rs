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
