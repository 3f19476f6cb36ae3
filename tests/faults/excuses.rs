//! What is other than it should be of faults that are alive, and why that is right.

/// Faults for which no scenario gives the occasion, and why. One that is caught after all must go from here.
pub(crate) const NO_OCCASION: &[(&str, &str)] = &[
    ("a-task-without-the-capability", "the embedded server declares tasks"),
    ("a-task-for-a-method-that-is-not-listed", "the embedded server declares tasks for the only method that there is"),
    ("sampling-as-a-task-that-is-not-listed", "the embedded client takes sampling as a task"),
    ("sampling-as-a-task-without-tasks", "the embedded client declares tasks"),
    ("asks-for-what-the-client-did-not-declare", "the embedded client declares all that it can be asked"),
    ("lists-the-tasks-of-strangers", "the embedded server knows its callers by their sessions"),
    ("no-status-notification", "the embedded server announces no status"),
    ("a-notified-status-that-is-none", "the embedded server announces no status"),
    ("notifies-half-a-task", "the embedded server announces no status"),
    ("notifies-with-meta", "the embedded server announces no status"),
    ("notifies-of-nobodys-task", "the embedded server announces no status"),
    ("progress-after-the-end", "the embedded server announces no status"),
    ("an-announcement-more", "the embedded server announces no change of its tools"),
    ("leaves-a-task-out", "no scenario lists tasks"),
    ("cancels-what-has-ended", "no scenario cancels what has ended"),
    ("an-expired-task-with-another-error", "no scenario asks twice for what is not there"),
    ("invalid-parameters-with-another-code", "no scenario calls a tool with parameters that are none"),
    ("content-of-a-url", "the embedded client takes no questions that are asked by a URL"),
    ("goes-on-with-what-is-gone", "it changes how a client leaves, and the embedded one begins anew before"),
    ("calls-a-plain-tool-as-a-task", "nothing shows that the client had read which tools there are"),
    ("calls-a-task-tool-plainly", "nothing shows that the client had read which tools there are"),
    ("stays-in-input-required", "no tool of the embedded server still works after its answer"),
];

/// Scenarios, or cases of them, in which a fault breaks something else too, and why that is right. One in which it does not must go from here.
pub(crate) const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "a-completed-task-with-an-error",
        "tasks/result-fetched-by-two-at-once",
        "there nobody saw that the task was completed",
    ),
    (
        "forgets-a-task-early",
        "tasks/neighbour-is-unhurt",
        "there the task is seen to live on, so that it was not forgotten",
    ),
    ("more-members-in-results", "ping/during-the-handshake", "the answer to a ping is empty"),
    (
        "a-completed-task-without-its-result",
        "tasks/result-fetched-by-two-at-once",
        "there nobody saw that the task was completed",
    ),
    (
        "an-id-given-twice",
        "tasks/neighbour-is-unhurt",
        "there one of the two tasks of that id is cancelled, and the other is not",
    ),
    ("an-id-that-is-a-number", "tasks/cancel-and-the-work", "there the task is asked for by its id"),
    ("an-id-that-is-a-number", "tasks/create-is-prompt", "there the task is asked for by its id"),
    ("one-thing-at-a-time", "cancellation/in-time#it-does-not-go-on", "there the request that is refused is the fence"),
    ("asks-over-every-stream", "tasks/question-is-lost", "there the question is lost on purpose, and its copy is not"),
    ("an-event-id-twice", "http/drop-is-no-cancel", "there the client comes back with an id that nobody knows"),
    (
        "every-stream-counts-from-one",
        "http/stream-is-resumed",
        "there the client comes back with an id that nobody knows",
    ),
    ("is-not-primed", "http/stream-is-resumed", "there the client needs the event id to come back"),
    ("primes-without-an-id", "http/stream-is-resumed", "there the client needs the event id to come back"),
    ("knows-nothing-of-its-event-ids", "tasks/question-is-lost", "there the question cannot be fetched"),
    ("knows-nothing-of-its-event-ids", "http/stream-is-resumed", "there the answer cannot be fetched"),
    ("knows-nothing-of-its-event-ids", "http/two-streams-resumed", "there the answer cannot be fetched"),
    ("leaves-the-session-out", "http/session-is-gone", "there the server refuses whatever comes, with 404"),
    (
        "never-comes-back",
        "tasks/result-stream-is-resumed",
        "there it is the stream of `tasks/result` that is never fetched",
    ),
    (
        "resumes-from-too-early",
        "tasks/result-stream-is-resumed",
        "there what it owes comes on the stream of `tasks/result`",
    ),
    (
        "resumes-from-nowhere",
        "tasks/result-stream-is-resumed",
        "there what it owes comes on the stream of `tasks/result`",
    ),
    ("resumes-from-too-early", "http/stream-is-cut-twice", "there nobody fetches what is left of the stream"),
    ("resumes-from-nowhere", "http/stream-is-cut-twice", "there nobody fetches what is left of the stream"),
    ("gives-up-in-silence", "cancellation/by-the-application", "there the user cancels, and is to be heard"),
    ("gives-up-in-silence", "http/gives-up-and-says-so", "there the user cancels, and is to be heard"),
    ("one-token-for-two-calls", "tasks/token-of-a-task", "there the token is that of a task"),
    (
        "demands-a-url-of-who-cannot",
        "elicitation/what-the-user-does",
        "there the application waits for what it does not get",
    ),
];
