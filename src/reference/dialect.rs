//! Odd but legal habits of a reference peer.

use serde_json::{Value, json};
use std::time::Duration;

/// Odd but legal habits; the default is a plain honest party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The requests of a task are sent at once as messages that belong to no open request, instead of waiting for
    /// `tasks/result`.
    pub questions_on_get: bool,
    /// `notifications/tasks/status` is sent at every change.
    pub status_notifications: bool,
    /// The suggested time between two polls of a task, in milliseconds.
    pub poll_interval: Option<u64>,
    /// How many members the pages of `tools/list`, `resources/list`, ... have; without it there is one page.
    pub page_size: Option<usize>,
    /// How many tasks a page of `tasks/list` has.
    pub task_page_size: usize,
    /// Ids of requests are strings.
    pub string_ids: bool,
    /// The number of the first request; the others count on from there.
    pub first_id: i64,
    /// Errors have `data`.
    pub error_data: bool,
    /// Results have a member that no schema knows.
    pub unknown_members: bool,
    /// How long a task rests before its work begins.
    pub task_delay: Duration,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            questions_on_get: false,
            status_notifications: false,
            poll_interval: Some(50),
            page_size: None,
            task_page_size: 50,
            string_ids: false,
            first_id: 1,
            error_data: false,
            unknown_members: false,
            task_delay: Duration::from_millis(20),
        }
    }
}

impl Dialect {
    /// Gives an answer the members that this dialect has beyond what is needed. An empty result stays empty: that of `ping`
    /// must be.
    pub fn colour(&self, answer: &mut Value) {
        if let (true, Some(Value::Object(error))) = (self.error_data, answer.get_mut("error")) {
            error.entry("data").or_insert_with(|| json!({ "seen": [null, 1.5, "\u{e9}"], "again": false }));
        }
        if let (true, Some(Value::Object(result))) = (self.unknown_members, answer.get_mut("result"))
            && !result.is_empty()
        {
            result.insert("x-unknown".into(), json!({ "of": "nobody" }));
        }
    }
}
