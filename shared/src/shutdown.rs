//! Orderly shutdown: one token, passed down; whoever holds it stops taking work when it is cancelled.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A token that SIGTERM, SIGINT or SIGHUP cancels: a terminal that is closed must not cost what is under way.
///
/// # Errors
/// When the operating system does not let us listen for the signals.
pub fn on_signal(tasks: &TaskTracker) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let cancel = token.clone();
    tasks.spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => "SIGHUP",
            () = cancel.cancelled() => return,
        };
        tracing::info!(signal = name, "{name} received, shutting down");
        cancel.cancel();
    });
    Ok(token)
}
