//! What both programs speak: the shape of an alert, the message on the queue, and the way a service is
//! configured, observed and stopped. A module that only one program uses does not belong here.

pub mod alert;
pub mod amqp;
pub mod causes;
pub mod message;
pub mod ops;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
