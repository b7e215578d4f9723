//! A connection to whichever database it is.

use std::pin::pin;
use std::time::Duration;

use super::failure::Broken;
use super::panics::driven;
use super::settings::Database;
use super::statement::Statement;
use super::taking::Taking;
use super::{Begin, Call, mysql, postgres, sqlite};

/// A connection of the run's own.
#[derive(Debug)]
pub(super) enum Connection {
    Postgres(postgres::Connection),
    MySql(mysql::Connection),
    /// Boxed: the largest, and no call should take its room.
    Sqlite(Box<sqlite::Connection>),
}

impl Connection {
    /// Connects and logs in. SQLite is given the patience to wait for locks.
    pub(super) async fn open(database: &Database, patience: Duration) -> Result<Self, Broken> {
        let opening = pin!(async {
            Ok(match database {
                Database::Postgres(options) => {
                    Self::Postgres(postgres::Connection::open(options).await?)
                }
                Database::MySql(options) => Self::MySql(mysql::Connection::open(options).await?),
                Database::Sqlite(place) => {
                    Self::Sqlite(Box::new(sqlite::Connection::open(place, patience).await?))
                }
            })
        });
        driven(opening).await
    }

    /// Learns its number at the server, by which another connection can cancel what it does.
    pub(super) async fn learn_number(&mut self) -> Result<(), Broken> {
        let learning = pin!(async {
            match self {
                Self::Postgres(connection) => connection.learn_number().await,
                Self::MySql(connection) => connection.learn_number().await,
                Self::Sqlite(_) => Ok(()),
            }
        });
        driven(learning).await
    }

    /// Its number at the server, where that was learnt.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Postgres(connection) => connection.number(),
            Self::MySql(connection) => connection.number(),
            Self::Sqlite(_) => None,
        }
    }

    /// Cancels what the connection of that number is doing.
    pub(super) async fn cancel(&mut self, number: u64) -> Result<(), Broken> {
        let text = match self {
            Self::Postgres(_) => format!("SELECT pg_cancel_backend({number})"),
            Self::MySql(_) => format!("KILL QUERY {number}"),
            Self::Sqlite(_) => return Ok(()),
        };
        self.batch(&text.as_str().into()).await.map(drop)
    }

    /// Runs a statement; what it answers goes into `taking`.
    pub(super) async fn run(&mut self, call: &Call, taking: &mut Taking) -> Result<(), Broken> {
        let running = pin!(async {
            match self {
                Self::Postgres(connection) => connection.run(call, taking).await,
                // Boxed, so that not all calls take their room.
                Self::MySql(connection) => Box::pin(connection.run(call, taking)).await,
                Self::Sqlite(connection) => Box::pin(connection.run(call, taking)).await,
            }
        });
        driven(running).await
    }

    /// Runs any number of statements without parameters, none of them prepared.
    pub(super) async fn batch(&mut self, statements: &Statement) -> Result<u64, Broken> {
        let running = pin!(async {
            match self {
                Self::Postgres(connection) => connection.batch(statements).await,
                Self::MySql(connection) => connection.batch(statements).await,
                Self::Sqlite(connection) => Box::pin(connection.batch(statements)).await,
            }
        });
        driven(running).await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, begin: &Begin) -> Result<(), Broken> {
        let beginning = pin!(async {
            match self {
                Self::Postgres(connection) => connection.begin(begin).await,
                Self::MySql(connection) => connection.begin(begin).await,
                Self::Sqlite(connection) => connection.begin(begin).await,
            }
        });
        driven(beginning).await
    }
}
