//! Methods: who sends them, what correlates them, which capability they need.

use super::Revision;
use super::catalogue::TASKS_EXTENSION;
use crate::wire::Party;
use serde_json::{Value, json};
use std::time::Duration;

/// The known keys of `_meta`.
pub mod meta {
    /// The task that a message belongs to (2025-11-25); see [`super::RELATED_TASK`].
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// A text for the model while a task runs, in a CreateTaskResult (2025-11-25).
    pub const MODEL_IMMEDIATE_RESPONSE: &str = "io.modelcontextprotocol/model-immediate-response";
    /// The token under which progress of a request is reported.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// The revision a request speaks (2026-07-28, required).
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The capabilities of the client for this request (2026-07-28, required).
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client is (2026-07-28).
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Who the server is (2026-07-28, in results).
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The lowest level of log messages wanted for this request (2026-07-28).
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The `subscriptions/listen` request that a notification belongs to (2026-07-28).
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// The keys of the W3C trace context, which stand without a prefix.
    pub const TRACE_CONTEXT: [&str; 3] = ["traceparent", "tracestate", "baggage"];

    /// Every key above.
    pub const KNOWN: [&str; 12] = [
        RELATED_TASK,
        MODEL_IMMEDIATE_RESPONSE,
        PROGRESS_TOKEN,
        PROTOCOL_VERSION,
        CLIENT_CAPABILITIES,
        CLIENT_INFO,
        SERVER_INFO,
        LOG_LEVEL,
        SUBSCRIPTION_ID,
        TRACE_CONTEXT[0],
        TRACE_CONTEXT[1],
        TRACE_CONTEXT[2],
    ];
}

/// The `_meta` key that names the task a message belongs to (2025-11-25).
pub const RELATED_TASK: &str = meta::RELATED_TASK;

/// Who may send a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Senders {
    /// Only the client.
    Client,
    /// Only the server.
    Server,
    /// Either.
    Both,
}

impl Senders {
    /// May that party send it?
    #[must_use]
    pub fn has(self, party: Party) -> bool {
        match self {
            Senders::Client => party == Party::Client,
            Senders::Server => party == Party::Server,
            Senders::Both => true,
        }
    }
}

/// The capability a method needs: a dotted path into the capabilities of one party (see [`declared`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// None.
    Nothing,
    /// Of the party that receives it.
    Receiver(&'static str),
    /// Of the party that sends it.
    Sender(&'static str),
}

/// What a method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A request, with the definition of its result (of the schema of the revision; `extension-tasks/..` for the extension).
    Request {
        /// The definition of the result.
        result: &'static str,
    },
    /// A notification.
    Notification,
}

/// One method in a range of revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name on the wire, such as `tools/call`.
    pub name: &'static str,
    /// Who may send it.
    pub from: Senders,
    /// Request or notification.
    pub shape: Shape,
    /// The definition of the message; of the schema of the revision, or `extension-tasks/..`.
    pub definition: &'static str,
    /// The capability it needs.
    pub needs: Need,
    /// JSON pointer to the member of the message that tells two uses of the method apart.
    pub correlation: Option<&'static str>,
    /// The capability leaf of the receiver that allows it to be augmented as a task (2025-11-25); `None`: it cannot be.
    pub augmentable: Option<&'static str>,
    /// The member of the result that holds the page, for a method that lists.
    pub page: Option<&'static str>,
    /// Its first revision.
    pub since: Revision,
    /// Its last revision.
    pub last: Revision,
}

impl Method {
    /// Does it exist in that revision?
    #[must_use]
    pub fn holds_in(&self, revision: Revision) -> bool {
        self.since <= revision && revision <= self.last
    }

    /// Is it a request?
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.shape, Shape::Request { .. })
    }

    /// The definition of its result, if it is a request.
    #[must_use]
    pub fn result(&self) -> Option<&'static str> {
        match self.shape {
            Shape::Request { result } => Some(result),
            Shape::Notification => None,
        }
    }

    /// The value in a message (the whole one, with `params`) that tells two uses of this method apart.
    #[must_use]
    pub fn correlated<'a>(&self, message: &'a Value) -> Option<&'a Value> {
        message.pointer(self.correlation?)
    }

    const fn correlation(mut self, pointer: &'static str) -> Method {
        self.correlation = Some(pointer);
        self
    }

    const fn augmentable(mut self, leaf: &'static str) -> Method {
        self.augmentable = Some(leaf);
        self
    }

    const fn page(mut self, member: &'static str) -> Method {
        self.page = Some(member);
        self
    }

    const fn within(mut self, since: Revision, last: Revision) -> Method {
        self.since = since;
        self.last = last;
        self
    }

    const fn since(self, since: Revision) -> Method {
        self.within(since, Revision::V2026_07_28)
    }

    const fn until(self, last: Revision) -> Method {
        self.within(Revision::V2024_11_05, last)
    }
}

const fn request(
    name: &'static str,
    from: Senders,
    definition: &'static str,
    result: &'static str,
    needs: Need,
) -> Method {
    method(name, from, Shape::Request { result }, definition, needs)
}

const fn notification(name: &'static str, from: Senders, definition: &'static str, needs: Need) -> Method {
    method(name, from, Shape::Notification, definition, needs)
}

const fn method(name: &'static str, from: Senders, shape: Shape, definition: &'static str, needs: Need) -> Method {
    Method {
        name,
        from,
        shape,
        definition,
        needs,
        correlation: None,
        augmentable: None,
        page: None,
        since: Revision::V2024_11_05,
        last: Revision::V2026_07_28,
    }
}

use Need::{Nothing, Receiver, Sender};
use Revision::{V2024_11_05 as V24, V2025_03_26 as V03, V2025_06_18 as V06, V2025_11_25 as V25, V2026_07_28 as V26};
use Senders::{Both, Client, Server};

/// The tasks extension, as a path into capabilities.
const EXTENSION: &str = "extensions.io.modelcontextprotocol/tasks";
const TASK_ID: &str = "/params/taskId";
const URI: &str = "/params/uri";
const NAME: &str = "/params/name";

/// Every method of every revision, the tasks extension included; a name occurs more than once where revisions differ.
static METHODS: &[Method] = &[
    // the life of a session
    request("initialize", Client, "InitializeRequest", "InitializeResult", Nothing).until(V25),
    notification("notifications/initialized", Client, "InitializedNotification", Nothing).until(V25),
    request("ping", Both, "PingRequest", "EmptyResult", Nothing).until(V25),
    request("server/discover", Client, "DiscoverRequest", "DiscoverResult", Nothing).since(V26),
    notification("notifications/cancelled", Both, "CancelledNotification", Nothing).correlation("/params/requestId"),
    notification("notifications/progress", Both, "ProgressNotification", Nothing)
        .correlation("/params/progressToken")
        .until(V25),
    notification("notifications/progress", Server, "ProgressNotification", Nothing)
        .correlation("/params/progressToken")
        .since(V26),
    // tools
    request("tools/list", Client, "ListToolsRequest", "ListToolsResult", Receiver("tools")).page("tools"),
    request("tools/call", Client, "CallToolRequest", "CallToolResult", Receiver("tools")).correlation(NAME).until(V06),
    request("tools/call", Client, "CallToolRequest", "CallToolResult", Receiver("tools"))
        .correlation(NAME)
        .augmentable("tasks.requests.tools.call")
        .within(V25, V25),
    request("tools/call", Client, "CallToolRequest", "CallToolResult", Receiver("tools")).correlation(NAME).since(V26),
    notification(
        "notifications/tools/list_changed",
        Server,
        "ToolListChangedNotification",
        Sender("tools.listChanged"),
    ),
    // resources
    request("resources/list", Client, "ListResourcesRequest", "ListResourcesResult", Receiver("resources"))
        .page("resources"),
    request(
        "resources/templates/list",
        Client,
        "ListResourceTemplatesRequest",
        "ListResourceTemplatesResult",
        Receiver("resources"),
    )
    .page("resourceTemplates"),
    request("resources/read", Client, "ReadResourceRequest", "ReadResourceResult", Receiver("resources"))
        .correlation(URI),
    request("resources/subscribe", Client, "SubscribeRequest", "EmptyResult", Receiver("resources.subscribe"))
        .correlation(URI)
        .until(V25),
    request("resources/unsubscribe", Client, "UnsubscribeRequest", "EmptyResult", Receiver("resources.subscribe"))
        .correlation(URI)
        .until(V25),
    notification(
        "notifications/resources/list_changed",
        Server,
        "ResourceListChangedNotification",
        Sender("resources.listChanged"),
    ),
    notification(
        "notifications/resources/updated",
        Server,
        "ResourceUpdatedNotification",
        Sender("resources.subscribe"),
    )
    .correlation(URI),
    // prompts, completion, logging
    request("prompts/list", Client, "ListPromptsRequest", "ListPromptsResult", Receiver("prompts")).page("prompts"),
    request("prompts/get", Client, "GetPromptRequest", "GetPromptResult", Receiver("prompts")).correlation(NAME),
    notification(
        "notifications/prompts/list_changed",
        Server,
        "PromptListChangedNotification",
        Sender("prompts.listChanged"),
    ),
    // 2024-11-05 has the method and no capability for it
    request("completion/complete", Client, "CompleteRequest", "CompleteResult", Nothing)
        .correlation("/params/argument/name")
        .until(V24),
    request("completion/complete", Client, "CompleteRequest", "CompleteResult", Receiver("completions"))
        .correlation("/params/argument/name")
        .since(V03),
    request("logging/setLevel", Client, "SetLevelRequest", "EmptyResult", Receiver("logging")).until(V25),
    notification("notifications/message", Server, "LoggingMessageNotification", Sender("logging")),
    // what a server asks of a client; in 2026-07-28 these travel inside results (see `INPUTS`)
    request("roots/list", Server, "ListRootsRequest", "ListRootsResult", Receiver("roots")).until(V25),
    notification(
        "notifications/roots/list_changed",
        Client,
        "RootsListChangedNotification",
        Sender("roots.listChanged"),
    )
    .until(V25),
    request("sampling/createMessage", Server, "CreateMessageRequest", "CreateMessageResult", Receiver("sampling"))
        .until(V06),
    request("sampling/createMessage", Server, "CreateMessageRequest", "CreateMessageResult", Receiver("sampling"))
        .augmentable("tasks.requests.sampling.createMessage")
        .within(V25, V25),
    request("elicitation/create", Server, "ElicitRequest", "ElicitResult", Receiver("elicitation")).within(V06, V06),
    request("elicitation/create", Server, "ElicitRequest", "ElicitResult", Receiver("elicitation"))
        .augmentable("tasks.requests.elicitation.create")
        .within(V25, V25),
    notification(
        "notifications/elicitation/complete",
        Server,
        "ElicitationCompleteNotification",
        Receiver("elicitation.url"),
    )
    .correlation("/params/elicitationId")
    .within(V25, V25),
    // tasks of 2025-11-25
    request("tasks/get", Both, "GetTaskRequest", "GetTaskResult", Receiver("tasks"))
        .correlation(TASK_ID)
        .within(V25, V25),
    request("tasks/result", Both, "GetTaskPayloadRequest", "GetTaskPayloadResult", Receiver("tasks"))
        .correlation(TASK_ID)
        .within(V25, V25),
    request("tasks/list", Both, "ListTasksRequest", "ListTasksResult", Receiver("tasks.list"))
        .page("tasks")
        .within(V25, V25),
    request("tasks/cancel", Both, "CancelTaskRequest", "CancelTaskResult", Receiver("tasks.cancel"))
        .correlation(TASK_ID)
        .within(V25, V25),
    notification("notifications/tasks/status", Both, "TaskStatusNotification", Sender("tasks"))
        .correlation(TASK_ID)
        .within(V25, V25),
    // subscriptions of 2026-07-28; a server without anything to announce may refuse them
    request("subscriptions/listen", Client, "SubscriptionsListenRequest", "SubscriptionsListenResult", Nothing)
        .since(V26),
    notification("notifications/subscriptions/acknowledged", Server, "SubscriptionsAcknowledgedNotification", Nothing)
        .correlation("/params/_meta/io.modelcontextprotocol~1subscriptionId")
        .since(V26),
    // the tasks extension of 2026-07-28
    request(
        "tasks/get",
        Client,
        "extension-tasks/GetTaskRequest",
        "extension-tasks/GetTaskResult",
        Receiver(EXTENSION),
    )
    .correlation(TASK_ID)
    .since(V26),
    request(
        "tasks/update",
        Client,
        "extension-tasks/UpdateTaskRequest",
        "extension-tasks/UpdateTaskResult",
        Receiver(EXTENSION),
    )
    .correlation(TASK_ID)
    .since(V26),
    request(
        "tasks/cancel",
        Client,
        "extension-tasks/CancelTaskRequest",
        "extension-tasks/CancelTaskResult",
        Receiver(EXTENSION),
    )
    .correlation(TASK_ID)
    .since(V26),
    notification("notifications/tasks", Server, "extension-tasks/TaskStatusNotification", Sender(EXTENSION))
        .correlation(TASK_ID)
        .since(V26),
];

/// The methods of a revision, the tasks extension included.
pub fn of(revision: Revision) -> impl Iterator<Item = &'static Method> {
    METHODS.iter().filter(move |m| m.holds_in(revision))
}

/// The method with that name in that revision.
#[must_use]
pub fn find(revision: Revision, name: &str) -> Option<&'static Method> {
    of(revision).find(|m| m.name == name)
}

/// The revisions that have a method, oldest first; empty if none has.
#[must_use]
pub fn revisions_of(name: &str) -> Vec<Revision> {
    Revision::ALL.into_iter().filter(|r| find(*r, name).is_some()).collect()
}

/// What a server asks of a client inside an InputRequiredResult or a task (2026-07-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// The `method` of the entry in `inputRequests`.
    pub name: &'static str,
    /// The definition of that entry.
    pub definition: &'static str,
    /// The definition of the answer in `inputResponses`.
    pub result: &'static str,
    /// The capability that the request of the client must have declared.
    pub needs: &'static str,
}

/// The kinds of input of 2026-07-28.
pub const INPUTS: [Input; 3] = [
    Input { name: "elicitation/create", definition: "ElicitRequest", result: "ElicitResult", needs: "elicitation" },
    Input {
        name: "sampling/createMessage",
        definition: "CreateMessageRequest",
        result: "CreateMessageResult",
        needs: "sampling",
    },
    Input { name: "roots/list", definition: "ListRootsRequest", result: "ListRootsResult", needs: "roots" },
];

/// The kind of input with that method.
#[must_use]
pub fn input(method: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|i| i.name == method)
}

/// The methods that may be answered with an InputRequiredResult (2026-07-28).
pub const MAY_REQUIRE_INPUT: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// Do these capabilities declare the feature at a dotted path? `true` and an object declare it; `false`, `null` and any
/// other value do not. A key may itself contain dots, as identifiers of extensions do.
#[must_use]
pub fn declared(capabilities: &Value, path: &str) -> bool {
    at(capabilities, path).is_some_and(|value| matches!(value, Value::Bool(true) | Value::Object(_)))
}

/// Takes the feature at a dotted path out of some capabilities, with all below it.
pub fn undeclare(capabilities: &mut Value, path: &str) {
    let Some(object) = capabilities.as_object_mut() else { return };
    if object.shift_remove(path).is_some() {
        return;
    }
    for (dot, _) in path.match_indices('.') {
        let (Some(parent), Some(rest)) = (path.get(..dot), path.get(dot + 1..)) else { continue };
        if let Some(child) = object.get_mut(parent) {
            undeclare(child, rest);
        }
    }
}

/// Puts the feature at a dotted path into some capabilities, with what lies on the way; what is there stays.
pub fn declare(capabilities: &mut Value, path: &str) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(object) = capabilities.as_object_mut() else { return };
    match rest {
        Some(rest) => declare(object.entry(name).or_insert_with(|| json!({})), rest),
        // of these the schemas want to know whether, of all others how
        None if matches!(name, "listChanged" | "subscribe") => {
            object.entry(name).or_insert(Value::Bool(true));
        }
        None => {
            object.entry(name).or_insert_with(|| json!({}));
        }
    }
}

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    if let Some(found) = object.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| at(object.get(path.get(..dot)?)?, path.get(dot + 1..)?))
}

/// Did this request ask to be run as a task (2025-11-25)? Only its `task` member says so; whether that has an effect
/// depends on `Method.augmentable` and on the capability.
#[must_use]
pub fn asks_for_task(params: &Value) -> bool {
    params.get("task").is_some_and(Value::is_object)
}

/// The longest pace anybody is believed; a longer one counts as this.
pub const LONGEST_PACE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the receiver of a task asks its requestor to wait between polls: `pollInterval` (2025-11-25) or
/// `pollIntervalMs` (extension) of a Task, in milliseconds. `None` if it does not say, or says something that is no number
/// from 0 up. At most [`LONGEST_PACE`].
#[must_use]
pub fn pace(task: &Value) -> Option<Duration> {
    let value = task.get("pollInterval").or_else(|| task.get("pollIntervalMs"))?;
    let milliseconds = value.as_f64().filter(|n| *n >= 0.0)?;
    let longest = LONGEST_PACE.as_secs_f64();
    Some(Duration::from_secs_f64((milliseconds / 1000.0).min(longest)))
}

/// The settings of the tasks extension in these capabilities (2026-07-28), if they declare it.
#[must_use]
pub fn tasks_extension(capabilities: &Value) -> Option<&Value> {
    capabilities.get("extensions")?.get(TASKS_EXTENSION)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_revision_has_a_name_once() {
        for revision in Revision::ALL {
            let mut names: Vec<_> = of(revision).map(|m| m.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{revision}");
        }
    }

    #[test]
    fn methods_come_and_go_with_the_revisions() {
        assert_eq!(revisions_of("tools/call"), Revision::ALL);
        assert_eq!(revisions_of("tasks/result"), [V25]);
        assert_eq!(revisions_of("tasks/update"), [V26]);
        assert_eq!(revisions_of("elicitation/create"), [V06, V25]);
        assert_eq!(revisions_of("ping").last(), Some(&V25));
        assert!(revisions_of("tools/called").is_empty());
    }

    #[test]
    fn only_three_methods_of_one_revision_can_be_augmented() {
        let mut found = Vec::new();
        for revision in Revision::ALL {
            found.extend(of(revision).filter_map(|m| m.augmentable.map(|leaf| (revision, m.name, leaf))));
        }
        let expected = [
            (V25, "tools/call", "tasks.requests.tools.call"),
            (V25, "sampling/createMessage", "tasks.requests.sampling.createMessage"),
            (V25, "elicitation/create", "tasks.requests.elicitation.create"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn correlation_tells_two_uses_apart() {
        let message = json!({ "method": "tasks/get", "params": { "taskId": "t1" } });
        assert_eq!(find(V25, "tasks/get").unwrap().correlated(&message), Some(&json!("t1")));
        let acknowledged =
            json!({ "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": 7 }, "notifications": {} } });
        let method = find(V26, "notifications/subscriptions/acknowledged").unwrap();
        assert_eq!(method.correlated(&acknowledged), Some(&json!(7)));
        assert_eq!(find(V25, "ping").unwrap().correlated(&message), None);
    }

    #[test]
    fn capabilities_are_declared_by_true_or_an_object() {
        let capabilities = json!({
            "tools": { "listChanged": false }, "resources": { "subscribe": true }, "logging": null,
            "tasks": { "requests": { "tools": { "call": {} } }, "list": true },
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        });
        for path in ["tools", "resources.subscribe", "tasks.requests.tools.call", "tasks.list", EXTENSION] {
            assert!(declared(&capabilities, path), "{path}");
        }
        for path in ["tools.listChanged", "logging", "prompts", "tasks.cancel", "tasks.requests.tools.call.x", ""] {
            assert!(!declared(&capabilities, path), "{path}");
        }
        assert!(!declared(&json!([1]), "tools"));
        for path in ["resources.subscribe", "tasks.requests.tools.call", "tasks", EXTENSION] {
            let mut fewer = capabilities.clone();
            undeclare(&mut fewer, path);
            assert!(!declared(&fewer, path), "{path}");
            assert!(declared(&fewer, "tools"));
            assert_eq!(declared(&fewer, "tasks.list"), path != "tasks");
        }
        assert!(tasks_extension(&capabilities).is_some());
    }

    #[test]
    fn the_pace_is_read_from_both_shapes_and_bounded() {
        let ms = Duration::from_millis;
        assert_eq!(pace(&json!({ "taskId": "t", "pollInterval": 250 })), Some(ms(250)));
        assert_eq!(pace(&json!({ "pollInterval": 1.5 })), Some(Duration::from_micros(1500)));
        assert_eq!(pace(&json!({ "pollIntervalMs": 0 })), Some(ms(0)));
        assert_eq!(pace(&json!({ "pollInterval": -1 })), None);
        assert_eq!(pace(&json!({ "pollInterval": "soon" })), None);
        assert_eq!(pace(&json!({ "task": { "pollInterval": 250 } })), None, "making tasks is not polling them");
        assert_eq!(pace(&json!(null)), None);
        assert_eq!(pace(&json!({ "pollInterval": 1e300 })), Some(LONGEST_PACE));
    }
}
