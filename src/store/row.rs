//! Reading columns back into types; what does not fit is damage, named by table, column and row.

use std::str::FromStr;

use brizo_receipt::B256;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// The one row of a query, or none. The statement is kept: to prepare it takes longer than to run it.
pub(super) fn one<T>(
    sql: &Connection,
    query: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    sql.prepare_cached(query)?.query_row(params, read).optional()
}

/// Where a value stands, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) row: &'a str,
}

impl Place<'_> {
    fn damaged(self, column: &'static str) -> Error {
        Error::Damaged { table: self.table, column, row: self.row.to_string() }
    }

    pub(super) fn parse<T: FromStr>(self, column: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.damaged(column))
    }

    pub(super) fn json<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|_| self.damaged(column))
    }

    pub(super) fn digest(self, column: &'static str, bytes: &[u8]) -> Result<B256> {
        B256::try_from(bytes).map_err(|_| self.damaged(column))
    }

    pub(super) fn array<const N: usize>(self, column: &'static str, bytes: &[u8]) -> Result<[u8; N]> {
        bytes.try_into().map_err(|_| self.damaged(column))
    }

    pub(super) fn some<T>(self, column: &'static str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.damaged(column))
    }
}

/// Text of a value that always serialises (structs of strings, numbers and lists).
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
