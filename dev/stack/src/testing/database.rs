//! A database per test.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{TestError, TestServices, finish};

/// An empty database of its own, removed when this is dropped, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: Url,
    server: String,
}

impl TestDatabase {
    /// Creates a database in the Postgres of this test run.
    ///
    /// # Errors
    /// When there is none, see [`TestServices::from_env`], or it does not answer.
    pub async fn create() -> Result<Self, TestError> {
        let server = TestServices::from_env()?.database_url;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server).await?;
        // The name is made of our own digits; a database name cannot be a parameter.
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        connection.close().await?;
        let mut url: Url = server.parse()?;
        url.set_path(&name);
        Ok(Self { name, url, server })
    }

    /// The URL to connect with.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        finish(async move {
            if let Ok(mut connection) = PgConnection::connect(&server).await {
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(AssertSqlSafe(statement)).await.ok();
            }
        });
    }
}
