//! An identity provider that answers like Entra ID.
//!
//! Per tenant it serves, as Entra does:
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /{tenant}[/v2.0]/.well-known/openid-configuration` | the discovery document of v1 or v2 tokens |
//! | `GET /{tenant}/discovery[/v2.0]/keys` | their key set |
//! | `POST /{tenant}/oauth2[/v2.0]/token` | a token, for a client credentials grant |
//!
//! Under `/_control` it does what a test needs, in JSON:
//!
//! | request | does |
//! | --- | --- |
//! | `POST rotate[?drop_old=true]` | signs with a new key; the old ones stay published unless dropped |
//! | `POST mint` | makes a token of a [`Recipe`], good or bad: `{"access_token": …}` |
//! | `GET requests`, `DELETE requests` | fetches by kind, as [`Requests`]; from zero again |
//! | `GET faults`, `PUT faults` | how it misbehaves, as [`Faults`] |

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use tokio_util::task::TaskTracker;

mod claims;
mod control;
mod directory;
mod faults;
mod grant;
mod keys;
mod metadata;
mod mint;
mod refusal;
mod routes;
mod traffic;

pub use self::{
    directory::{Directory, OldKeys},
    faults::{Fault, Faults},
    grant::{Grant, GrantError, TokenRequest},
    keys::KeyError,
    mint::{MintError, MintKey, Recipe},
    refusal::Refusal,
    traffic::Requests,
};
use crate::settings::Settings;

/// How long a stop waits for requests at hand.
const SHUTDOWN_SECONDS: u64 = 5;

/// Starts identity providers; see [`IdentityProvider::start`].
#[derive(Debug)]
pub struct IdentityProvider;

/// An identity provider that is serving. Without [`Running::stop`] it ends with the runtime it was started on.
#[derive(Debug)]
pub struct Running {
    directory: Data<Directory>,
    server: ServerHandle,
    tasks: TaskTracker,
}

/// Why the provider could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: choose a free port")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl IdentityProvider {
    /// Serves the directory that `settings` describe on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken, or a key cannot be generated.
    pub async fn start(settings: Settings, address: SocketAddr) -> Result<Running, StartError> {
        let listen_error = |source| StartError::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(listen_error)?;
        let bound = listener.local_addr().map_err(listen_error)?;
        let base_url = settings.public_url.clone().unwrap_or_else(|| format!("http://{bound}"));
        let directory = Data::from(Arc::new(Directory::new(settings, &base_url)?));
        let served = directory.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(served.clone()).configure(control::mount).configure(routes::mount)
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)
        .map_err(listen_error)?
        .run();
        let handle = server.handle();
        let tasks = TaskTracker::new();
        tasks.spawn(server);
        tasks.close();
        Ok(Running { directory, server: handle, tasks })
    }
}

impl Running {
    /// The URL under which others reach this provider, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.directory.base_url()
    }

    /// The v2 token endpoint of a tenant.
    pub fn token_url(&self, tenant_id: &str) -> String {
        format!("{}/{tenant_id}/oauth2/v2.0/token", self.base_url())
    }

    /// The directory it serves: tokens and faults without HTTP.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Finishes the requests at hand and frees the port.
    pub async fn stop(self) {
        self.server.stop(true).await;
        self.tasks.wait().await;
    }
}
