//! LiteLLM's `DATABASE_URL`, which is Prisma's: Postgres' own, and parameters that only Prisma knows.

use tokio_postgres::Config;

/// Parameters of Prisma's that say nothing about where the database is.
const PRISMAS: [&str; 8] = [
    "connection_limit",
    "pool_timeout",
    "pgbouncer",
    "socket_timeout",
    "statement_cache_size",
    "sslidentity",
    "sslaccept",
    "sslcert",
];

/// Where a database is, and which schema of it is meant.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) schema: Option<String>,
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    /// Why it is none. No part of it is repeated: it holds a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut kept) = (None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("schema", name)) => schema = Some(name.to_owned()),
                Some((name, _)) if PRISMAS.contains(&name) => {}
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => {
                    return Err(
                        "TLS is not spoken to databases: bring it near by a tunnel, and leave `sslmode` out".to_owned()
                    );
                }
                _ => kept.push(pair),
            }
        }
        let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("it begins with postgresql://".to_owned());
        }
        let config =
            url.parse::<Config>().map_err(|_| "it is postgresql://user:password@host:port/database".to_owned())?;
        Ok(Self { config, schema })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn what_only_prisma_knows_is_left_out() {
        let url =
            "postgresql://u:p@db:5433/litellm?schema=proxy&connection_limit=10&application_name=x&pool_timeout=20";
        let target = Target::parse(url).unwrap();
        assert_eq!(target.schema.as_deref(), Some("proxy"));
        assert_eq!((target.config.get_dbname(), target.config.get_ports()), (Some("litellm"), &[5433][..]));
        assert_eq!(target.config.get_application_name(), Some("x"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in
            ["", "mysql://u:canary@db/x", "postgresql://u:canary@db:port/x", "postgres://u:canary@db/x?sslmode=require"]
        {
            assert!(!Target::parse(url).unwrap_err().contains("canary"), "{url}");
        }
    }
}
