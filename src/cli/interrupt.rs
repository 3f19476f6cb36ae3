//! Ctrl-C: the first ends what is under way in good order, the second ends the program.

#[cfg(unix)]
use std::sync::{Arc, OnceLock};
#[cfg(unix)]
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The exit code of a run that is not whole.
const CUT_SHORT: i32 = 4;

/// Signals that come so soon one after the other are one: a Ctrl-C goes to all that the terminal runs, and whoever has started us
/// may pass it on besides.
#[cfg(unix)]
const SAME: Duration = Duration::from_millis(400);

/// A flag that the first Ctrl-C raises, from this call on. To be called within a runtime.
pub(super) fn flag() -> watch::Receiver<bool> {
    #[cfg(unix)]
    return raised_by(&[tokio::signal::unix::SignalKind::interrupt()], Duration::ZERO);
    #[cfg(windows)]
    return raised_by_ctrl_c();
}

/// [`flag`] for a program that somebody else may have started: whatever is meant to end it raises it.
pub(super) fn ended() -> watch::Receiver<bool> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        raised_by(&[SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()], SAME)
    }
    #[cfg(windows)]
    return raised_by_ctrl_c();
}

#[cfg(unix)]
fn raised_by(kinds: &[tokio::signal::unix::SignalKind], same: Duration) -> watch::Receiver<bool> {
    let (raise, raised) = watch::channel(false);
    let first = Arc::new(OnceLock::<Instant>::new());
    for kind in kinds {
        // at once, and not when a task comes to its turn: a server may be started before that;
        // where it cannot be heard it ends the program, as it does in most
        let Ok(mut signal) = tokio::signal::unix::signal(*kind) else { continue };
        let (raise, first) = (raise.clone(), Arc::clone(&first));
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                let since = first.get_or_init(Instant::now).elapsed();
                if raise.send_replace(true) && since >= same {
                    // it is the second; the guard ends what was started
                    std::process::exit(CUT_SHORT);
                }
            }
        });
    }
    raised
}

#[cfg(windows)]
fn raised_by_ctrl_c() -> watch::Receiver<bool> {
    let (raise, raised) = watch::channel(false);
    let Ok(mut pressed) = tokio::signal::windows::ctrl_c() else { return raised };
    tokio::spawn(async move {
        while pressed.recv().await.is_some() {
            if raise.send_replace(true) {
                std::process::exit(CUT_SHORT);
            }
        }
    });
    raised
}
