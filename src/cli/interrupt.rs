//! Ctrl-C: the first ends what is under way in good order, the second ends the program.

use tokio::sync::watch;

/// The exit code of a run that is not whole.
const CUT_SHORT: i32 = 4;

/// A flag that the first Ctrl-C raises. To be called within a runtime.
pub(super) fn flag() -> watch::Receiver<bool> {
    let (raise, raised) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            // no signals here; the flag must not look as if it were lowered for good
            return std::future::pending().await;
        }
        // nobody listens any more when what was under way has ended by itself
        let _ = raise.send(true);
        if tokio::signal::ctrl_c().await.is_ok() {
            // the guard ends what was started
            std::process::exit(CUT_SHORT);
        }
        std::future::pending::<()>().await;
    });
    raised
}
