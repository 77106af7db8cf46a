//! Orderly shutdown: one token, passed down; whoever holds it stops taking work when it is cancelled.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What SIGHUP means to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// A terminal that is closed must not cost what is under way.
    ShutsDown,
    /// The program listens for it itself.
    IsTaken,
}

/// A token that SIGTERM or SIGINT cancels, and SIGHUP if it does.
///
/// # Errors
/// When the operating system does not let us listen for the signals.
pub fn on_signal(tasks: &TaskTracker, hangup: Hangup) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = match hangup {
        Hangup::ShutsDown => Some(signal(SignalKind::hangup())?),
        // From now on it does not end the process, also before somebody listens.
        Hangup::IsTaken => {
            drop(signal(SignalKind::hangup())?);
            None
        }
    };
    let cancel = token.clone();
    tasks.spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            Some(_) = async { hangup.as_mut()?.recv().await } => "SIGHUP",
            () = cancel.cancelled() => return,
        };
        tracing::info!(signal = name, "{name} received, shutting down");
        cancel.cancel();
    });
    Ok(token)
}
