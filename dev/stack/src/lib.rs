//! Private servers for development and tests: started on free ports of 127.0.0.1 from the machine's own programs,
//! ended without leaving a process, and never touching a service of the system.

mod amqp;
pub mod cast;
mod folder;
pub mod ports;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
pub mod request_tracker;
mod stack;
pub mod testing;

pub use self::{
    cast::{Client, Clients, Description, Itsm, ServiceNow},
    folder::{Folder, FolderError},
    postgres::{Postgres, PostgresError},
    process::{Process, ProcessError, command, http_client},
    proxy::Proxy,
    rabbitmq::{RabbitMq, RabbitMqError},
    request_tracker::{RequestTracker, RequestTrackerError},
    stack::{Extent, Options, Stack, StackError},
};
