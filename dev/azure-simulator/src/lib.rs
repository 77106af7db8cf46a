//! Azure for development: an identity provider that answers like Entra ID, and a sender that delivers alerts like
//! an action group's secure webhook.
//!
//! The products never link this crate. Tests use it as a library:
//!
//! * [`identity::Directory`] issues and mints tokens without any HTTP;
//! * [`identity::IdentityProvider`] serves the same directory on a port of its own;
//! * [`alerts::AlertRule`] renders the payloads that Azure Monitor delivers;
//! * [`legacy::Legacy`] has what it delivers without the common alert schema;
//! * [`sender::load`] sends many of them and measures the receiver.

pub mod alerts;
pub mod identity;
pub mod legacy;
pub mod sender;
pub mod settings;
