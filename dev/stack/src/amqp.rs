//! The few things that the stack and tests ask a broker directly.

use lapin::{Connection, ConnectionProperties};

/// Connects without recovery: whoever asks wants to know how it is now.
///
/// # Errors
/// When the broker refuses or does not speak AMQP.
pub(crate) async fn connect(url: &str) -> Result<Connection, lapin::Error> {
    Connection::connect(url, ConnectionProperties::default()).await
}
