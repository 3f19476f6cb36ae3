//! What the specification says, as data: revisions, schemas, methods, requirements.

pub mod catalogue;
pub mod definition;
pub mod methods;
pub mod revision;
pub mod schema;
mod violation;

pub use revision::{Era, Revision};
