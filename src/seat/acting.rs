//! Moves a client through what a file has its application do, with a server of which nothing is known: no seat, no course.

use super::{Play, cast, director};
use crate::peer::driver::{Action, Answer, Mover, Report, Target};
use crate::scenario::binding::Bindings;
use serde_json::Value;

/// Has a client connect, do one thing after the other, and leave. What it gets is bound as the file binds it.
///
/// # Errors
/// What did not come to its end, and why; the client has left all the same.
pub async fn act(play: &Play, mover: &mut Mover, to: Target, capabilities: Value) -> Result<(), String> {
    let client = mover.name();
    let (revision, answers) = (Some(play.revision.to_string()), Some(director::said(&cast::answers(play))));
    let connecting = ordered(mover, &client, Action::Connect { to, revision, capabilities, answers });
    let patience = play.patience.start;
    let late = || format!("connect: nothing came of it within {} s", patience.as_secs());
    tokio::time::timeout(patience, connecting).await.map_err(|_| late())??;
    let done = all(play, mover, &client).await;
    let left = ordered(mover, &client, Action::Close).await;
    done.and(left.map(drop))
}

async fn all(play: &Play, mover: &mut Mover, client: &str) -> Result<(), String> {
    let plan = &play.plan;
    let mut env = Bindings::new(plan.scenario(), &play.fresh);
    for action in cast::actions(play) {
        if let Some(label) = &action.once {
            return Err(format!("an action waits for the step `{label}`, and nobody here sees steps"));
        }
        let doing = cast::doing(plan, action, &mut env);
        let doing = doing.ok_or("an action cannot be told from what the file and the answers so far say")?;
        let answer = ordered(mover, client, director::action(doing)).await?;
        if let Some(pattern) = action.what.step().and_then(|step| plan.answer_to(step)?.result.as_ref()) {
            // a server of which nothing is known may say something else
            let _ = env.check(pattern, Some(&answer), &[]);
        }
    }
    Ok(())
}

/// What came of an order.
async fn ordered(mover: &mut Mover, client: &str, action: Action) -> Result<Value, String> {
    let words = action.words();
    let id = mover.order(Some(client), action);
    while let Some(report) = mover.reports.recv().await {
        match report {
            Report::Answer { id: of, answer } if of == id => {
                return match answer {
                    Answer::Result(result) => Ok(result),
                    Answer::Failure(why) => Err(format!("{words}: {why}")),
                    other => Err(format!("{words}: {}", other.seen())),
                };
            }
            Report::Garbled(what) => return Err(format!("{words}: the client wrote {what}")),
            Report::Gone(how) => return Err(format!("{words}: {how}")),
            Report::Answer { .. } | Report::Event { .. } => {}
        }
    }
    Err(format!("{words}: the client is gone"))
}
