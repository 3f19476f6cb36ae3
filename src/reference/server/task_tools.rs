//! The tools of the fixture contract that work as tasks, and the witness that tells of their work.

use super::super::rpc::Outcome;
use super::super::work::{Ask, Plan, Step, text_result};
use super::tools::{
    Call, TaskSupport, Tool, arguments, by_result, confirmation, is_confirmed, no_arguments, sampled, sampling, told,
};
use crate::spec::Revision;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest work, in milliseconds.
const LONGEST: u64 = 600_000;

/// In so many steps of equal length works what can be witnessed.
const STEPS: u32 = 10;

/// The longest token of a work, in bytes.
const LONGEST_TOKEN: usize = 200;

/// All of them, in the order in which they are listed.
pub(super) fn contract() -> Vec<Tool> {
    let mut tools = working();
    tools.extend(asking());
    tools.extend(asking_as_tasks());
    tools
}

fn working() -> Vec<Tool> {
    use TaskSupport::{Optional, Required};
    vec![
        Tool::new("test_task_optional", "Can be called either way.", no_arguments(), |_| Ok(Plan::text("Done")))
            .task(Optional),
        Tool::new("test_task_required", "Can be called only as a task.", no_arguments(), |_| Ok(Plan::text("Done")))
            .task(Required),
        Tool::new("test_task_slow", "Works for a while.", slow_arguments(), slow).task(Optional),
        Tool::new(
            "test_task_stubborn",
            "Works for a while, and does not stop when it is cancelled.",
            slow_arguments(),
            |call| Ok(Plan { stubborn: true, ..slow(call)? }),
        )
        .task(Optional),
        Tool::new(
            "test_task_error",
            "Ends with a tool error.",
            arguments(json!({ "text": { "type": "string" } })),
            |call| Ok(Plan::unable(&call.text("text")?)),
        )
        .task(Optional),
        Tool::new(
            "test_task_protocol_error",
            "Ends with a JSON-RPC error.",
            arguments(json!({ "marker": { "type": "string" } })),
            |call| {
                Ok(Plan::end(Outcome::Error(json!({
                    "code": -32050,
                    "message": "This tool intentionally fails for testing",
                    "data": { "marker": call.text("marker")? },
                }))))
            },
        )
        .task(Optional),
        Tool::new("test_task_progress", "Reports progress to who wants it.", no_arguments(), |_| {
            let progress = |plan: Plan, progress| plan.after_ms(50).after(Step::Progress { progress, total: 100 });
            Ok([0, 50, 100].into_iter().fold(Plan::text("Done"), progress))
        })
        .task(Optional),
        Tool::new(
            "test_witness",
            "Tells how the work with a token stands.",
            arguments(json!({ "token": { "type": "string" } })),
            |call| {
                let seen = call.receiver.witness(&call.text("token")?);
                let told = json!({ "started": seen.started, "steps": seen.steps, "finished": seen.finished });
                Ok(Plan::text(&told.to_string()))
            },
        )
        .since(Revision::V2025_11_25),
    ]
}

fn slow_arguments() -> Value {
    json!({
        "type": "object",
        "properties": {
            "ms": { "type": "integer", "minimum": 0, "maximum": LONGEST },
            "token": { "type": "string", "maxLength": LONGEST_TOKEN },
        },
        "required": ["ms"],
    })
}

/// Works for `ms` milliseconds; a witness is told of each step, if there is a token.
fn slow(call: &Call<'_>) -> Result<Plan, Plan> {
    let ms = call.count("ms", LONGEST)?;
    let witness = match call.arguments.get("token") {
        None => None,
        Some(_) => Some(call.text("token")?),
    };
    if witness.as_ref().is_some_and(|token| token.len() > LONGEST_TOKEN) {
        return Err(Plan::unable(&format!("the argument `token` is longer than {LONGEST_TOKEN} bytes")));
    }
    let whole = Duration::from_millis(ms);
    let part = Step::Wait(whole / STEPS);
    let plan =
        (0..STEPS).fold(Plan::text(&format!("Waited {ms} ms")), |plan, _| plan.after(part.clone()).after(Step::Done));
    Ok(Plan { witness, ..plan })
}

fn asking() -> Vec<Tool> {
    use TaskSupport::Optional;
    vec![
        Tool::new(
            "test_task_elicitation",
            "Asks for a confirmation before it deletes.",
            arguments(json!({ "files": { "type": "integer", "minimum": 0 } })),
            |call| {
                let files = call.count("files", u64::MAX)?;
                Ok(Plan::ask(vec![confirmation(&format!("Delete {files} files?"))], move |answers| {
                    by_result(answers, |result| match is_confirmed(result) {
                        true => text_result(&format!("Deleted {files} files")),
                        false => text_result("Nothing deleted"),
                    })
                }))
            },
        )
        .task(Optional),
        Tool::new("test_task_two_questions", "Asks two questions at once.", no_arguments(), |_| {
            let asks = vec![confirmation("The first?"), confirmation("The second?")];
            Ok(Plan::ask(asks, |answers| {
                let yes = answers.iter().filter_map(Outcome::result).filter(|result| is_confirmed(result)).count();
                text_result(&format!("{yes} of {} confirmed", answers.len()))
            }))
        })
        .task(Optional),
        Tool::new(
            "test_task_sampling",
            "Has the client's model answer a prompt before it goes on.",
            arguments(json!({ "prompt": { "type": "string" } })),
            |call| Ok(Plan::ask(vec![sampling(&call.text("prompt")?)], |answers| by_result(answers, sampled))),
        )
        .task(Optional),
    ]
}

fn asking_as_tasks() -> Vec<Tool> {
    vec![
        Tool::new(
            "test_elicit_as_task",
            "Has the client ask its user, as a task of the client.",
            no_arguments(),
            |call| {
                let as_task = call.takes_tasks("tasks.requests.elicitation.create").then_some(60_000);
                let ask = Ask { as_task, ..confirmation("Go on?") };
                Ok(Plan::ask(vec![ask], |answers| by_result(answers, told)))
            },
        )
        .since(Revision::V2025_11_25),
        Tool::new(
            "test_sample_as_task",
            "Has the client's model answer, as a task of the client.",
            no_arguments(),
            |call| {
                let as_task = call.takes_tasks("tasks.requests.sampling.createMessage").then_some(60_000);
                let ask = Ask { as_task, ..sampling("Say something.") };
                Ok(Plan::ask(vec![ask], |answers| by_result(answers, sampled)))
            },
        )
        .since(Revision::V2025_11_25),
    ]
}
