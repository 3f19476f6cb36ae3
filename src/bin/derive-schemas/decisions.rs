//! The decisions on ambiguity that bear on a requirement, and the level it has after them.

/// One decision on one requirement.
pub(crate) struct Decision {
    /// The folder of the catalogue.
    pub(crate) catalogue: &'static str,
    /// The requirement.
    pub(crate) id: &'static str,
    /// The name of the decision.
    pub(crate) name: &'static str,
    /// The effective level, where it differs from the specification's word.
    pub(crate) level: Option<&'static str>,
    /// The party that is held to it, where it differs.
    pub(crate) party: Option<&'static str>,
}

const V25: &str = "2025-11-25";
const V26: &str = "2026-07-28";
const EXT: &str = "extension-tasks";

const fn rests(catalogue: &'static str, id: &'static str, name: &'static str) -> Decision {
    Decision { catalogue, id, name, level: None, party: None }
}

const fn becomes(catalogue: &'static str, id: &'static str, name: &'static str, level: &'static str) -> Decision {
    Decision { catalogue, id, name, level: Some(level), party: None }
}

/// Every decision that names a requirement. A requirement has at most one.
pub(crate) const DECISIONS: &[Decision] = &[
    // what is left under this id after the ones with ids of their own: progress and log messages of a task
    becomes(V25, "tasks.related.all-messages", "tasks-related-meta-scope", "should"),
    rests(V25, "tasks.related.requestor-omits", "tasks-related-meta-scope"),
    rests(V25, "tasks.related.receiver-omits", "tasks-related-meta-scope"),
    rests(V25, "tasks.notify.no-related-task-meta", "tasks-related-meta-scope"),
    rests(V25, "tasks.result.related-task-meta", "tasks-related-meta-on-errors"),
    rests(V25, "tasks.result.identical-to-underlying", "tasks-result-exactly-vs-meta"),
    rests(V25, "tasks.result.terminal-returns-final", "tasks-result-of-cancelled"),
    rests(V25, "tasks.tool.required-error", "tasks-required-error-code"),
    rests(V25, "tasks.tool.forbidden-error", "tasks-undeclared-vs-forbidden"),
    rests(V25, "tasks.support.undeclared-ignores-augmentation", "tasks-undeclared-vs-forbidden"),
    rests(V25, "tasks.tool.no-augment-without-capability", "tasks-augment-level"),
    rests(V25, "tasks.capability.augment-only-declared", "tasks-augment-level"),
    rests(V25, "tasks.capability.no-create-when-absent", "tasks-augment-level"),
    rests(V25, "tasks.capability.leaf-is-object", "tasks-capability-boolean"),
    becomes(V25, "tasks.create.initial-status-working", "tasks-initial-status", "should"),
    rests(V25, "tasks.status.tool-iserror-is-failed", "tasks-failed-iserror-level"),
    rests(V25, "tasks.create.returns-create-task-result", "tasks-acceptance-errors"),
    rests(V25, "tasks.status.protocol-error-is-failed", "tasks-acceptance-errors"),
    rests(V25, "tasks.result.shape-matches-request", "tasks-get-payload-open"),
    rests(V25, "tasks.ttl.actual-in-get", "tasks-ttl-drift"),
    rests(V25, "tasks.time.created-at", "tasks-timestamps-format"),
    rests(V25, "tasks.time.last-updated-at", "tasks-timestamps-format"),
    rests(V25, "tasks.poll.continue-beside-result", "tasks-get-after-result-pending"),
    rests(V25, "tasks.cancel.not-via-cancelled-notification", "tasks-cancel-before-id"),
    rests(V25, "tasks.list.includes-gettable", "tasks-list-without-cap"),
    rests(V25, "tasks.capability.list-not-used-undeclared", "tasks-list-without-cap"),
    rests(V25, "tasks.auth.reject-foreign-get", "tasks-foreign-error-code"),
    rests(V25, "tasks.auth.reject-foreign-result", "tasks-foreign-error-code"),
    rests(V25, "tasks.auth.reject-foreign-cancel", "tasks-foreign-error-code"),
    rests(V25, "transport.sse.messages-relate", "tasks-messages-stream"),
    rests(V25, "transport.get.messages-unrelated", "tasks-messages-stream"),
    rests(V25, "progress.known-token-only", "tasks-progress-active-request"),
    rests(V25, "progress.in-progress-only", "tasks-progress-active-request"),
    rests(V25, "progress.stops-after-completion", "tasks-progress-active-request"),
    rests(V25, "tasks.progress.token-stays-valid", "tasks-progress-active-request"),
    rests(V25, "tasks.list.invalid-cursor", "tasks-pagination-page"),
    rests(V25, "tasks.list.next-cursor-if-more", "tasks-pagination-page"),
    rests(V25, "lifecycle.version.server-counter-offer", "init-version-error"),
    rests(V25, "lifecycle.version.client-disconnects", "client-version-disconnect"),
    rests(V25, "base.error.same-id", "error-id-null"),
    rests(V25, "base.jsonrpc.conforms", "union-too-weak"),
    rests(V25, "elicitation.result.accept-has-content", "elicit-result-integer"),
    rests(V25, "cancellation.request-id-required", "cancelled-request-id-optional"),
    rests(V25, "elicitation.form.flat-primitive-schema", "elicit-pattern"),
    becomes(V25, "elicitation.required-error.returned", "url-required-may-must", "should"),
    becomes(V25, "elicitation.required-error.needs-url-capability", "elicit-url-vs-cap-error", "should-not"),
    rests(V25, "base.icons.server-uses-safe-scheme", "icon-http"),
    rests(V25, "base.icons.reject-unsafe-schemes", "icon-http"),
    becomes(V25, "prompts.get.embedded-resource", "embedded-mimetype", "should"),
    rests(V25, "tools.call.annotations-valid", "embedded-annotations-position"),
    rests(V25, "tools.call.output-schema-conforms", "output-schema-error"),
    becomes(V25, "tools.error.unknown-tool", "unknown-tool", "should"),
    rests(V25, "progress.value-increases", "progress-increase-level"),
    rests(V25, "transport.http.single-endpoint", "get-endpoint-must"),
    rests(V25, "transport.get.sse-or-405", "get-endpoint-must"),
    rests(V25, "transport.session.unknown-id-404", "session-unknown-id"),
    rests(V25, "lifecycle.init.reject-before-init", "pre-init-error"),
    // the history is resent by the server
    Decision {
        catalogue: V25,
        id: "sampling.message.preserve-meta",
        name: "sampling-meta-party",
        level: None,
        party: Some("server"),
    },
    rests(V25, "completion.validate-inputs", "completion-levels"),
    becomes(V25, "completion.rate-limit", "completion-levels", "should"),
    rests(V25, "elicitation.ui.decline-cancel", "elicitation-ui-levels"),
    rests(V25, "elicitation.ui.approval-controls", "elicitation-ui-levels"),
    rests(V25, "roots.error.not-supported", "method-not-supported-code"),
    rests(V25, "completion.error.unsupported", "method-not-supported-code"),
    rests(V25, "tools.name.length", "official-tool-name-rule"),
    rests(V25, "tools.name.charset", "official-tool-name-rule"),
    rests(V25, "tools.name.no-special", "official-tool-name-rule"),
    becomes(V26, "cancel.server.subscription-teardown", "A-01", "should"),
    rests(V26, "subscriptions.close.graceful-result", "A-01"),
    rests(V26, "meta.request.missing-field-rejected", "A-03"),
    becomes(V26, "base.patterns.supported", "A-04", "should"),
    rests(V26, "subscriptions.method-served", "A-04"),
    rests(V26, "base.error.id-echo", "A-06"),
    rests(V26, "sampling.tools.client-errors-undeclared", "A-07"),
    rests(V26, "mrtr.result.non-empty", "A-08"),
    rests(V26, "base.schema.valid", "A-10"),
    rests(V26, "stdio.cancel.no-further-messages", "A-09"),
    rests(V26, "http.cancel.no-further-messages", "A-09"),
    rests(V26, "http.client.metadata-headers", "A-11"),
    rests(V26, "era.server.initialize-selects-legacy", "A-12"),
    rests(V26, "tools.security.inputs-validated", "A-22"),
    rests(V26, "tools.output-schema.conforms", "A-23"),
    rests(V26, "tools.output-schema.present", "A-23"),
    rests(V26, "tools.structured-content.text-copy", "A-24"),
    becomes(V26, "prompts.embedded-resource.complete", "A-25", "should"),
    rests(V26, "auth.redirect.localhost-or-https", "A-26"),
    rests(V26, "icons.uri.same-origin", "A-27"),
    rests(V26, "caching.mrtr-result-not-cached", "A-28"),
    rests(V26, "caching.hints.present", "A-29"),
    becomes(V26, "subscriptions.resource-updated.only-watched", "A-31", "should"),
    rests(V26, "base.request.id-unique-in-flight", "A-33"),
    rests(V26, "mrtr.request-state.tampered-rejected", "A-34"),
    rests(V26, "cancel.http.disconnect-is-cancellation", "A-35"),
    rests(V26, "http.cancel.work-stopped", "A-35"),
    rests(EXT, "tasks.result-type.task-only-on-create", "A-13"),
    rests(EXT, "tasks.notify.subscription-id", "A-14"),
    rests(EXT, "tasks.notify.full-state", "A-14"),
    rests(EXT, "tasks.methods.request-meta", "A-15"),
    rests(EXT, "tasks.headers.mismatch-rejected", "A-16"),
    becomes(EXT, "tasks.headers.missing-rejected", "A-16", "should"),
    rests(EXT, "tasks.input.declared-kinds-only", "A-17"),
    rests(EXT, "tasks.caching.ttl-not-cache-hint", "A-18"),
    becomes(EXT, "tasks.cancel.terminal-ack", "A-19", "should"),
    rests(EXT, "tasks.update.non-waiting-task", "A-19"),
    rests(EXT, "tasks.legacy.old-tasks-reachable", "A-20"),
    rests(EXT, "tasks.capability.advertised", "A-36"),
    rests(EXT, "tasks.status.transitions", "A-37"),
    rests(EXT, "tasks.create.no-inlined-payload", "A-37"),
    rests(EXT, "tasks.subscribe.ack-lists-ids", "A-38"),
];
