//! Loads run on a thread of their own: neither the proxies nor whoever looks at the system may have to wait for them.

use tokio::sync::oneshot;

/// Starts a load. The receiver has its outcome, or an error when it has failed.
pub(crate) fn start<F, T>(load: F) -> oneshot::Receiver<T>
where
    F: AsyncFnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    std::thread::spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            // Nobody waits any more when the run was interrupted.
            done.send(runtime.block_on(load())).ok();
        }
    });
    outcome
}
