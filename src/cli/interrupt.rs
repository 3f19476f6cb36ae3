//! Ctrl-C: the first ends what is under way in good order, the second ends the program.

use tokio::sync::watch;

/// The exit code of a run that is not whole.
const CUT_SHORT: i32 = 4;

/// A flag that the first Ctrl-C raises, from this call on. To be called within a runtime.
pub(super) fn flag() -> watch::Receiver<bool> {
    let (raise, raised) = watch::channel(false);
    // at once, and not when a task comes to its turn: a server may be started before that
    #[cfg(unix)]
    let pressed = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    #[cfg(windows)]
    let pressed = tokio::signal::windows::ctrl_c();
    // where it cannot be heard it ends the program, as it does in most
    let Ok(mut pressed) = pressed else { return raised };
    tokio::spawn(async move {
        pressed.recv().await;
        // nobody listens any more when what was under way has ended by itself
        let _ = raise.send(true);
        pressed.recv().await;
        // the guard ends what was started
        std::process::exit(CUT_SHORT);
    });
    raised
}
