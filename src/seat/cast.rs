//! The parts of a play: what the reference client does, and which tool the reference server offers, from the scenario.

use super::Play;
use crate::reference::client::{Answers, AppAction, Application, ToElicitation, What};
use crate::reference::server::{ScriptedAsk, TaskSupport, ToolScript};
use crate::scenario::binding::Bindings;
use crate::scenario::model::{Act, Action, Doing, Needed, Verb};
use crate::scenario::pattern::{Pattern, Shape};
use crate::scenario::plan::Plan;
use crate::trace::Body;
use crate::wire::Party;
use serde_json::{Map, Value, json};

/// What the application above the client does in this scenario.
#[must_use]
pub fn application(play: &Play) -> Application {
    let mut env = Bindings::new(play.plan.scenario(), &play.fresh);
    let actions = actions(play).filter_map(|action| doing(&play.plan, action, &mut env)).collect();
    Application { actions, answers: answers(play), driven: false }
}

/// The actions of a play that the application does by itself, in the order of the file.
pub(super) fn actions(play: &Play) -> impl Iterator<Item = &Action> {
    let all = play.plan.actions_with(play.seat.ours(), &play.choices);
    all.into_iter().filter(|action| !matches!(action.what, Doing::WhenAsked { .. }))
}

/// How the application answers what it is asked.
pub(super) fn answers(play: &Play) -> Answers {
    let (plan, fresh) = (&play.plan, &play.fresh);
    let mut answers = Answers::default();
    for action in plan.actions_with(play.seat.ours(), &play.choices) {
        let Doing::WhenAsked { step } = &action.what else { continue };
        let mut env = Bindings::new(plan.scenario(), fresh);
        answers.after = action.after.unwrap_or_default();
        let asked = plan.act(step);
        let answer = plan.answer_to(step);
        let said = action.with.as_ref().or_else(|| answer?.result.as_ref());
        let refusal = || {
            let mut error = known(answer?.error.as_ref()?, &mut Bindings::new(plan.scenario(), fresh));
            if error.get("message").is_none() {
                error["message"] = json!("The user said no");
            }
            Some(json!({ "error": error }))
        };
        let Some(result) = said.map(|said| known(said, &mut env)).or_else(refusal) else { continue };
        match asked.map(|a| &a.verb) {
            Some(Verb::Requests { method }) if method == "sampling/createMessage" && result.get("error").is_some() => {
                answers.sampling = result;
            }
            Some(Verb::Requests { method }) if method == "sampling/createMessage" => {
                // what the file leaves open the client says as ever
                for (name, value) in result.as_object().into_iter().flatten() {
                    answers.sampling[name] = value.clone();
                }
            }
            _ => answers.elicitation.extend(elicited(&result)),
        }
    }
    answers
}

/// What an action is, as far as it can be said with what is bound; `None` where the reference client has no such thing.
pub(super) fn doing(plan: &Plan, action: &Action, env: &mut Bindings) -> Option<AppAction> {
    let (sees, once, collects) = (action.sees.clone(), action.once.clone(), action.collects.clone());
    Some(AppAction { what: what(plan, action, env)?, sees, once, collects, gives_up: action.gives_up })
}

/// What the application is told to do, for the record.
pub(super) fn told(action: &AppAction) -> Body {
    let what = match &action.what {
        What::CallTool { name, .. } => format!("call tool {name}"),
        What::CallToolAsTask { name, .. } => format!("call tool {name} as a task"),
        What::List { method, .. } => format!("ask for {method} once"),
        What::ListEverything { method } => format!("walk {method} to its end"),
        What::Request { method, .. } => format!("request {method}"),
        What::ChangeRoots { .. } => "change the roots".to_owned(),
    };
    let label = action.sees.as_deref().or(action.what.label()).unwrap_or_default().to_owned();
    let gives_up = action.gives_up.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    Body::Action { label, what, gives_up }
}

fn elicited(result: &Value) -> Option<ToElicitation> {
    match result.get("action")?.as_str()? {
        "accept" => {
            Some(result.get("content").map_or(ToElicitation::AcceptFilled, |c| ToElicitation::Accept(c.clone())))
        }
        "decline" => Some(ToElicitation::Decline),
        "cancel" => Some(ToElicitation::Cancel),
        _ => None,
    }
}

fn what(plan: &Plan, action: &Action, env: &mut Bindings) -> Option<What> {
    match &action.what {
        Doing::CallTool { step } | Doing::CallToolAsTask { step } => {
            let mut params = params_of(plan.act(step)?, env);
            if let (Some(Value::Object(own)), Value::Object(members)) =
                (action.with.as_ref().map(|with| known(with, env)), &mut params)
            {
                members.extend(own);
            }
            let name = params.get("name")?.as_str()?.to_owned();
            let arguments = params.get("arguments").cloned();
            // who wants to hear of progress asks for it; the token is the client's affair where the file leaves it open
            let wants = action.collects.as_deref() == Some("progress");
            let own = || wants.then(|| json!(format!("progress-of-{step}")));
            let progress_token = params.pointer("/_meta/progressToken").cloned().or_else(own);
            let label = step.clone();
            Some(match &action.what {
                Doing::CallToolAsTask { .. } => {
                    let ttl = params.pointer("/task/ttl").and_then(Value::as_u64);
                    What::CallToolAsTask { label, name, arguments, ttl, progress_token }
                }
                _ => What::CallTool { label, name, arguments, progress_token },
            })
        }
        Doing::List { method, step } => Some(What::List { label: step.clone(), method: env.text(method) }),
        Doing::ListEverything { method } => Some(What::ListEverything { method: env.text(method) }),
        Doing::Request { step } => {
            let act = plan.act(step)?;
            let Verb::Requests { method } = &act.verb else { return None };
            let params = act.payload.params.as_ref().map(|pattern| known(pattern, env));
            Some(What::Request { method: method.clone(), params })
        }
        Doing::ChangeRoots { .. } => {
            let with = action.with.as_ref().map(|with| known(with, env)).unwrap_or_default();
            Some(What::ChangeRoots { roots: with.get("roots").cloned().unwrap_or_else(|| json!([])) })
        }
        // the modern era's; its reference peers are not built yet
        Doing::Listen { .. } | Doing::WhenAsked { .. } | Doing::Cancel { .. } => None,
    }
}

/// The params of a step, as far as the file alone says them.
fn params_of(act: &Act, env: &mut Bindings) -> Value {
    act.payload.params.as_ref().map_or_else(|| json!({}), |pattern| known(pattern, env))
}

/// What the file alone says of an object: a member that needs what is known only on the wire (the id of a task) is left out.
fn known(pattern: &Pattern, env: &mut Bindings) -> Value {
    if let Ok(Some(whole)) = env.fill(pattern, None) {
        return whole;
    }
    let parts = match &pattern.shape {
        Shape::Overlay(parts) => parts.as_slice(),
        _ => std::slice::from_ref(pattern),
    };
    let mut object = json!({});
    for part in parts {
        match &part.shape {
            Shape::Object(members) => {
                for member in members {
                    if let Ok(Some(value)) = env.fill(&member.value, None) {
                        object[env.text(&member.name)] = value;
                    }
                }
            }
            _ => {
                if let Ok(Some(Value::Object(all))) = env.fill(part, None) {
                    for (name, value) in all {
                        object[name] = value;
                    }
                }
            }
        }
    }
    object
}

/// How many entries of a list the reference server gives at once: few where the application walks a list to its end, or a
/// step names a cursor, so that there is something to walk; otherwise all.
#[must_use]
pub fn page_size(plan: &Plan) -> Option<usize> {
    let walks = plan.actions().any(|action| matches!(action.what, Doing::ListEverything { .. }));
    let turns = || plan.acts().filter_map(|act| act.payload.params.as_ref()).any(names_cursor);
    (walks || turns()).then_some(2)
}

fn names_cursor(params: &Pattern) -> bool {
    match &params.shape {
        Shape::Object(members) => {
            members.iter().any(|m| matches!(&m.name.shape, Shape::Literal(name) if name.as_str() == Some("cursor")))
        }
        _ => false,
    }
}

/// The tools that a scenario needs of its server, by name.
#[must_use]
pub fn tools(plan: &Plan, fresh: &Map<String, Value>) -> Vec<String> {
    let env = Bindings::new(plan.scenario(), fresh);
    let mut names = Vec::new();
    for need in &plan.scenario().needs {
        if let (Party::Server, Needed::Tool(name)) = (need.party, &need.what) {
            names.push(env.text(name));
        }
    }
    names
}

/// The schema of a tool's arguments, where a list of tools that the file has the server answer says it.
fn listed(result: &Pattern, tool: &str, env: &mut Bindings) -> Option<Value> {
    let member = |of: &Pattern, wanted: &str| match &of.shape {
        Shape::Object(members) => {
            let named = |name: &Pattern| matches!(&name.shape, Shape::Literal(name) if name.as_str() == Some(wanted));
            members.iter().find(|m| named(&m.name)).map(|m| m.value.clone())
        }
        _ => None,
    };
    let Shape::Contains(tools) = member(result, "tools")?.shape else { return None };
    let shown = tools.iter().find(|entry| member(entry, "name").is_some_and(|name| env.text(&name) == tool))?;
    env.fill(&member(shown, "inputSchema")?, None).ok().flatten()
}

/// What a tool that the reference server does not know has to do, so that the scenario can be played: it asks what the file
/// has the server request after the call, and ends with what the file has it answer.
#[must_use]
pub fn tool_script(plan: &Plan, fresh: &Map<String, Value>, tool: &str) -> Option<ToolScript> {
    let mut env = Bindings::new(plan.scenario(), fresh);
    let mut called = false;
    let mut as_task = false;
    let mut asks = Vec::new();
    let mut answer = None;
    let mut input_schema = json!({ "type": "object" });
    for act in plan.acts() {
        match (act.party, &act.verb) {
            (Party::Client, Verb::Requests { method }) if method == "tools/call" => {
                let params = params_of(act, &mut env);
                if params.get("name").and_then(Value::as_str) == Some(tool) {
                    called = true;
                    as_task |= params.get("task").is_some();
                }
            }
            (Party::Server, Verb::Requests { method }) if called && !method.starts_with("tasks/") => {
                asks.push(ScriptedAsk { method: method.clone(), params: params_of(act, &mut env) });
            }
            (Party::Server, Verb::Answers { .. }) if !called => {
                let listed = act.payload.result.as_ref().and_then(|result| listed(result, tool, &mut env));
                input_schema = listed.unwrap_or(input_schema);
            }
            (Party::Server, Verb::Answers { .. }) => {
                let p = &act.payload;
                if let Some(result) = p.result.as_ref().map(|r| known(r, &mut env))
                    && result.get("content").is_some()
                {
                    answer = Some(result);
                } else if let Some(Ok(Some(error))) = p.error.as_ref().map(|e| env.fill(e, None)) {
                    answer = Some(json!({ "error": error }));
                }
            }
            _ => {}
        }
    }
    called.then(|| ToolScript {
        task_support: if as_task { TaskSupport::Optional } else { TaskSupport::Forbidden },
        input_schema,
        asks,
        answer: answer.unwrap_or_else(|| json!({ "content": [] })),
    })
}
