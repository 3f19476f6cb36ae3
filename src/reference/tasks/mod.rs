//! What a receiver keeps of tasks: their states and results, and the requests that wait for their requestor.

pub mod queue;
pub mod store;

pub use queue::TaskMessageQueue;
pub use store::{InMemoryTaskStore, Limits, Refusal, Status, Task, TaskStore};
