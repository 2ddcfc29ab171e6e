//! LiteLLM's Postgres database, read once, as it stands at one moment. Nothing is written to it.
//!
//! Rows come as JSON, by their columns' names, so that versions of LiteLLM with more columns or fewer are read alike.

mod url;
pub mod history;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use url::Target;

/// The most rows of one page.
const PAGE: i64 = 1_000;

/// A table that is read, by its name and its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Organizations.
    Organizations,
    /// Teams.
    Teams,
    /// Virtual keys.
    Keys,
    /// Budgets that others refer to.
    Budgets,
    /// Deployments.
    Models,
    /// Users.
    Users,
    /// End users, whom LiteLLM also calls customers.
    EndUsers,
    /// Tags.
    Tags,
    /// Who is a member of which team, with a budget within it.
    TeamMembers,
    /// Who is a member of which organization, and as what.
    OrganizationMembers,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Organizations => "LiteLLM_OrganizationTable",
            Self::Teams => "LiteLLM_TeamTable",
            Self::Keys => "LiteLLM_VerificationToken",
            Self::Budgets => "LiteLLM_BudgetTable",
            Self::Models => "LiteLLM_ProxyModelTable",
            Self::Users => "LiteLLM_UserTable",
            Self::EndUsers => "LiteLLM_EndUserTable",
            Self::Tags => "LiteLLM_TagTable",
            Self::TeamMembers => "LiteLLM_TeamMembership",
            Self::OrganizationMembers => "LiteLLM_OrganizationMembership",
        }
    }

    /// The column by which its rows are told apart, of members together with [`Table::of`].
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Organizations => "organization_id",
            Self::Teams => "team_id",
            Self::Keys => "token",
            Self::Budgets => "budget_id",
            Self::Models => "model_id",
            Self::Users | Self::EndUsers | Self::TeamMembers | Self::OrganizationMembers => "user_id",
            Self::Tags => "tag_name",
        }
    }

    /// What a member is a member of.
    const fn of(self) -> Option<&'static str> {
        match self {
            Self::TeamMembers => Some("team_id"),
            Self::OrganizationMembers => Some("organization_id"),
            _ => None,
        }
    }

    /// What its rows are ordered by, as SQL.
    fn order(self) -> String {
        let key = self.key();
        match self.of() {
            Some(of) => format!("(\"{key}\" || E'\\x01' || \"{of}\") COLLATE \"C\""),
            None => format!("\"{key}\" COLLATE \"C\""),
        }
    }
}

/// Why the database was not read. No password is in it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The address is not one.
    #[error("the database's address is not one: {0}")]
    Address(String),
    /// It could not be reached, or said no.
    #[error("the database did not answer as it should")]
    Postgres(#[from] tokio_postgres::Error),
    /// There are no tables of LiteLLM's.
    #[error("the database has no tables of LiteLLM's: name another database or schema")]
    NotLitellm,
    /// A row in another form than its table's.
    #[error("a row cannot be read")]
    Row(#[from] serde_json::Error),
}

/// A database that is being read.
#[derive(Debug)]
pub struct Database {
    client: Client,
    connection: JoinHandle<()>,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Database {
    /// Opens it, as LiteLLM's `DATABASE_URL` names it, at one moment that all that is read is of.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        let Target { config, schema } = Target::parse(url).map_err(DatabaseError::Address)?;
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection to the database has ended");
            }
        });
        let database = Self { client, connection };
        if let Some(schema) = schema {
            let set = format!("SET search_path TO \"{}\"", schema.replace('"', "\"\""));
            database.client.batch_execute(&set).await?;
        }
        // Moments without a time zone are in UTC there, and so are its days.
        database.client.batch_execute("SET TIME ZONE 'UTC'").await?;
        database.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        if database.has(Table::Keys).await? || database.has(Table::Models).await? {
            Ok(database)
        } else {
            Err(DatabaseError::NotLitellm)
        }
    }

    /// All rows of a table; none where this LiteLLM has no such table.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn rows(&self, table: Table) -> Result<Vec<Value>, DatabaseError> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.page(table, &after).await?;
            let Some((last, _)) = page.last() else { return Ok(rows) };
            last.clone_into(&mut after);
            rows.extend(page.into_iter().map(|(_, row)| row));
        }
    }

    /// Some rows of a table that follow a place, with their places, in their order; none when there are no more.
    async fn page(&self, table: Table, after: &str) -> Result<Vec<(String, Value)>, DatabaseError> {
        if !self.has(table).await? {
            return Ok(Vec::new());
        }
        let (name, order) = (table.name(), table.order());
        let query = format!(
            "SELECT {order}, to_jsonb(t)::text FROM \"{name}\" t WHERE {order} > $1 ORDER BY {order} LIMIT {PAGE}"
        );
        let found = self.client.query(&query, &[&after]).await?;
        found.iter().map(|row| Ok((row.try_get(0)?, serde_json::from_str(row.try_get::<_, &str>(1)?)?))).collect()
    }

    /// How many rows of a table refer to each budget, by the budget's id.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn references(&self, table: Table) -> Result<Vec<(String, i64)>, DatabaseError> {
        if !self.has(table).await? {
            return Ok(Vec::new());
        }
        // Not every table of every version has the column.
        let query = format!(
            "SELECT id, count(*) FROM (SELECT to_jsonb(t)->>'budget_id' AS id FROM \"{}\" t) AS ids WHERE id IS NOT NULL GROUP BY id",
            table.name()
        );
        let found = self.client.query(&query, &[]).await?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    async fn has(&self, table: Table) -> Result<bool, DatabaseError> {
        self.has_named(table.name()).await
    }

    async fn has_named(&self, table: &str) -> Result<bool, DatabaseError> {
        let query = "SELECT to_regclass($1) IS NOT NULL";
        let row = self.client.query_one(query, &[&format!("\"{table}\"")]).await?;
        Ok(row.try_get(0)?)
    }
}
