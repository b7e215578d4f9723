//! Databases, by their own means: a table locked, connections ended, no connection left.
//!
//! What is held is held by connections of this room's own, which end with this process: the server
//! lets go of everything by itself, so there is nothing for the journal. A connection to look on is
//! opened before anything is broken; it goes through no proxy and no pool of the load.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::said::{Field, Kind, Wrong, checked};
use super::{Ended, VERIFY};
use crate::client::sql::{
    Address, Begin, Call, Client, Database, Datum, Dialect, Keep, Others, Rows, Settings,
    Transaction, Trouble, Work,
};
use crate::plan::FaultDecl;
use crate::service::setting::Takes;

/// What can be done to a database.
pub const KINDS: &[Kind] = &[
    Kind { name: "exhaust_connections", fields: &[] },
    Kind { name: "kill_connections", fields: &[] },
    Kind {
        name: "lock_table",
        fields: &[Field { name: "table", takes: Takes::Name, needed: true }],
    },
];

/// Most connections that are held: no server lets more in.
const MOST: usize = 10_000;

/// How often it is looked for connections that have come, or that can be had.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is done to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// Nobody else may use a table.
    Lock(String),
    /// Connections are ended, those too that come meanwhile.
    Kill,
    /// All connections that can be had are held.
    Exhaust,
}

impl Break {
    /// Why both cannot stand at the same time, if they cannot.
    pub(super) fn contradicts(&self, other: &Self) -> Option<&'static str> {
        let same = std::mem::discriminant(self) == std::mem::discriminant(other);
        if same && *self != Self::Exhaust {
            return None;
        }
        Some("each needs connections that the other takes")
    }
}

/// The fault a declaration is.
pub(super) fn read(fault: &FaultDecl) -> Result<Break, Wrong> {
    let said = checked(fault, KINDS, super::WITH)?;
    Ok(match fault.kind.as_str() {
        "lock_table" => Break::Lock(said.text("table").unwrap_or_default().to_owned()),
        "kill_connections" => Break::Kill,
        _ => Break::Exhaust,
    })
}

/// A database, seen from a connection that looks on.
struct Sight {
    database: Database,
    client: Rc<Client>,
}

impl Sight {
    async fn open(url: &str) -> Result<Self, String> {
        let database = Database::parse(&marked(url))?;
        let sight = Self { client: client(&database, 1), database };
        sight.rows("SELECT 1").await?;
        Ok(sight)
    }

    async fn rows(&self, text: &str) -> Result<Rows, String> {
        self.client.call(&statement(text)).await.answer.map_err(told)
    }

    /// The one number a statement answers.
    async fn number(&self, text: &str) -> Result<i64, String> {
        Ok(self.rows(text).await?.cells.first().and_then(integer).unwrap_or_default())
    }

    fn is_postgres(&self) -> bool {
        self.database.dialect() == Dialect::Postgres
    }

    /// Ends every connection that is not this room's own; how many.
    async fn kill(&self) -> Result<u64, String> {
        if self.is_postgres() {
            let text = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE \
                 backend_type = 'client backend' AND datname = current_database() AND \
                 pid <> pg_backend_pid() AND application_name <> '{MARK}'"
            );
            return Ok(self.number(&text).await?.max(0).cast_unsigned());
        }
        let others = self
            .rows(
                "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE \
                 id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler') AND \
                 command NOT IN ('Daemon', 'Killed')",
            )
            .await?;
        let mut killed = 0;
        for id in others.cells.iter().filter_map(integer) {
            // It may have ended by itself meanwhile.
            killed += u64::from(self.rows(&format!("KILL {id}")).await.is_ok());
        }
        Ok(killed)
    }

    /// Sessions that wait for somebody's lock on a table.
    async fn waiting(&self, table: &str) -> i64 {
        let text = if self.is_postgres() {
            format!(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = \
                 to_regclass('{table}')"
            )
        } else {
            "SELECT CAST(count(*) AS SIGNED) FROM information_schema.processlist WHERE state LIKE \
             'Waiting for table%lock'"
                .to_owned()
        };
        self.number(&text).await.unwrap_or_default()
    }
}

/// What this room's own connections call themselves, where a server keeps that.
const MARK: &str = "loadrun fault";

fn marked(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    if parsed.scheme().starts_with("postgres") {
        parsed.query_pairs_mut().append_pair("application_name", MARK);
    }
    parsed.to_string()
}

fn client(database: &Database, size: usize) -> Rc<Client> {
    Client::new(Settings {
        address: Address::Known(database.clone()),
        size,
        timeout: PATIENCE,
        connect_timeout: PATIENCE,
        result_limit: 16 << 20,
        cancel: true,
        others: Others::default(),
    })
}

fn statement(text: &str) -> Work {
    let (statement, parameters) = (text.into(), Vec::new());
    Work::Call(Call { statement, parameters, prepare: false, keep: Keep::Rows, timeout: None })
}

fn integer(datum: &Datum) -> Option<i64> {
    match datum {
        Datum::Integer(number) => Some(*number),
        Datum::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn told(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed(failure) => failure.detail,
        Trouble::Misused(what) => what,
    }
}

/// How long a server waits for a lock. Less than this room does: it is the server that gives up,
/// also when nobody is there any more who waits.
const LOCKED_WITHIN: Duration = Duration::from_secs(4);

/// A database to which something is done.
pub(super) struct Standing {
    sight: Sight,
    how: Break,
    /// Whose connections are held.
    holder: Rc<Client>,
    /// What is held.
    held: Vec<Transaction>,
    /// How many were killed, held or seen waiting.
    count: u64,
}

impl Standing {
    /// Connects, and breaks it.
    pub(super) async fn begin(how: Break, url: &str) -> Result<Self, String> {
        let sight = Sight::open(url).await?;
        let holder = client(&sight.database, MOST);
        let mut standing = Self { sight, how, holder, held: Vec::new(), count: 0 };
        match &standing.how {
            Break::Kill => standing.count = standing.sight.kill().await?,
            Break::Exhaust => standing.fill().await,
            Break::Lock(table) => {
                let lock = standing.lock(table).await?;
                standing.held.push(lock);
            }
        }
        Ok(standing)
    }

    async fn lock(&self, table: &str) -> Result<Transaction, String> {
        let seconds = LOCKED_WITHIN.as_secs();
        let texts = if self.sight.is_postgres() {
            [
                format!("SET LOCAL lock_timeout = '{seconds}s'"),
                format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
            ]
        } else {
            [format!("SET lock_wait_timeout = {seconds}"), format!("LOCK TABLES {table} WRITE")]
        };
        let begun = self.holder.begin(&Begin::default(), None).await;
        let mut lock = begun.map_err(|exchange| trouble(*exchange))?;
        for text in texts {
            let answer = lock.call(&statement(&text)).await.answer;
            answer.map_err(|why| format!("{text}: {}", told(why)))?;
        }
        Ok(lock)
    }

    /// Takes every connection that can be had.
    async fn fill(&mut self) {
        while self.held.len() < MOST {
            let taken = self.holder.begin(&Begin::default(), Some(PATIENCE)).await;
            let Ok(taken) = taken else { break };
            self.held.push(taken);
        }
        self.count = self.count.max(self.held.len() as u64);
    }

    /// What is to be done while it stands; never completes.
    pub(super) async fn stand(&mut self) {
        loop {
            sleep(AGAIN).await;
            match &self.how {
                Break::Kill => self.count += self.sight.kill().await.unwrap_or_default(),
                Break::Exhaust => self.fill().await,
                Break::Lock(table) => {
                    let waiting = self.sight.waiting(table).await.max(0).cast_unsigned();
                    self.count = self.count.max(waiting);
                }
            }
        }
    }

    /// Lets go of what is held, and sees that a stranger is let in again.
    pub(super) async fn end(mut self) -> Ended {
        self.held.clear();
        drop(self.holder);
        let mut ended = Ended::at(Instant::now());
        let unlocked = async {
            while !self.sight.is_free(&self.how).await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(VERIFY, unlocked).await.is_err() {
            ended.unclean = Some(match &self.how {
                Break::Lock(table) => format!("{table} is still locked"),
                _ => "the server still lets nobody in".to_owned(),
            });
        }
        ended.effect = (self.count > 0).then(|| match &self.how {
            Break::Lock(_) => format!("{} sessions waited at a time", self.count),
            Break::Kill => format!("{} connections ended", self.count),
            Break::Exhaust => format!("{} connections held", self.count),
        });
        ended
    }
}

fn trouble(exchange: crate::client::sql::Exchange) -> String {
    exchange.answer.err().map_or_else(String::new, told)
}

impl Sight {
    /// Whether nothing of it is there any more.
    async fn is_free(&self, how: &Break) -> bool {
        let stranger = client(&self.database, 1);
        let asked = match how {
            Break::Lock(table) => format!("SELECT 1 FROM {table} LIMIT 1"),
            _ => "SELECT 1".to_owned(),
        };
        let asked = timeout(VERIFY, stranger.call(&statement(&asked))).await;
        asked.is_ok_and(|exchange| exchange.answer.is_ok())
    }
}
