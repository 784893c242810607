//! Agreements, what is known of them, and how far the chain was read.

use std::collections::BTreeMap;

use brizo_receipt::{Address, B256};
use rusqlite::{Row, params};

use super::row::{Place, one, to_json};
use super::{Result, Step, Store, exists, outbox};
use crate::ids::{AgreementId, Did};
use crate::job::{BundleFacts, UploadFacts};
use crate::money::Terms;

/// An agreement as it is stored.
#[derive(Debug, Clone)]
pub struct AgreementRow {
    /// Its id.
    pub id: AgreementId,
    /// The data set.
    pub did: Did,
    /// The consumer.
    pub consumer: Address,
    /// The price.
    pub terms: Terms,
    /// Until when access can be granted, in seconds since 1970-01-01 UTC.
    pub grant_deadline_s: u64,
    /// The uploaded algorithm.
    pub upload: Option<UploadFacts>,
    /// DID of the algorithm, where it was given by DID.
    pub algorithm_did: Option<Did>,
    /// Whether the payment is locked.
    pub locked: bool,
    /// Whether the computation is authorised on chain.
    pub granted: bool,
    /// Number of runs that were ordered.
    pub runs: u64,
}

/// What a request chooses of an algorithm: module or runtime, bundle, and the DID that it came by.
type Choice = (B256, Option<BundleFacts>, Option<Did>);

/// Different bytes that may be chosen for one agreement while the chain takes none of them.
const CHOICES_MAX: usize = 16;

type Columns =
    (String, String, String, String, u64, Option<Vec<u8>>, Option<String>, Option<String>, bool, bool, u64);
const SELECT: &str =
    "SELECT id, did, consumer, terms, grant_deadline_s, algorithm, algorithm_did, algorithm_facts,
    locked, granted, runs_deleted + (SELECT count(*) FROM job WHERE job.agreement = agreement.id) FROM agreement";

fn columns(r: &Row<'_>) -> rusqlite::Result<Columns> {
    let upload = (r.get(5)?, r.get(6)?, r.get(7)?);
    Ok((
        r.get(0)?,
        r.get(1)?,
        r.get(2)?,
        r.get(3)?,
        r.get(4)?,
        upload.0,
        upload.1,
        upload.2,
        r.get(8)?,
        r.get(9)?,
        r.get(10)?,
    ))
}

fn read(columns: Columns) -> Result<AgreementRow> {
    let (id, did, consumer, terms, deadline, algorithm, algorithm_did, facts, locked, granted, runs) =
        columns;
    let place = Place { table: "agreement", row: &id };
    let upload = match (algorithm, facts) {
        (Some(digest), Some(facts)) => {
            let (bytes, memory_bytes_min, imports_refused, component, bundle) =
                place.json("algorithm_facts", &facts)?;
            let digest = place.digest("algorithm", &digest)?;
            Some(UploadFacts { digest, bytes, memory_bytes_min, imports_refused, component, bundle })
        }
        _ => None,
    };
    Ok(AgreementRow {
        did: place.parse("did", &did)?,
        consumer: place.parse("consumer", &consumer)?,
        terms: place.json("terms", &terms)?,
        grant_deadline_s: deadline,
        algorithm_did: algorithm_did.map(|did| place.parse("algorithm_did", &did)).transpose()?,
        upload,
        locked,
        granted,
        runs,
        id: place.parse("id", &id)?,
    })
}

impl Store {
    /// Records an agreement that is executed on chain.
    ///
    /// # Errors
    /// [`super::Error::Exists`] when the id is known.
    pub fn insert_agreement(&self, agreement: &AgreementRow, now_s: u64) -> Result<()> {
        self.write(|sql| {
            sql.execute(
                "INSERT INTO agreement (id, did, consumer, terms, grant_deadline_s, created_s)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    agreement.id.to_string(),
                    agreement.did.to_string(),
                    agreement.consumer.to_string(),
                    to_json(&agreement.terms),
                    agreement.grant_deadline_s,
                    now_s
                ],
            )
            .map_err(exists("this agreement"))?;
            Ok(())
        })
    }

    /// An agreement; not found is no error.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn agreement(&self, id: AgreementId) -> Result<Option<AgreementRow>> {
        let query = format!("{SELECT} WHERE id = ?1");
        // Others need the connection meanwhile.
        let found = one(&self.lock(), &query, [id.to_string()], columns)?;
        found.map(read).transpose()
    }

    /// Notes what an upload chooses besides its bytes, before the chain is told of their checksum. Returns whether it is what was chosen
    /// first with these bytes, which stays: from the moment that a transaction is sent, anybody can read the signature over the
    /// checksum, and the chain does not tell whether one was sent. Other bytes have a signature of their own.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn choose_upload(
        &self,
        id: AgreementId,
        checksum: B256,
        upload: &UploadFacts,
        algorithm_did: Option<Did>,
    ) -> Result<bool> {
        let choice: Choice = (upload.digest, upload.bundle.clone(), algorithm_did);
        self.write(|sql| {
            if is_another(sql, id, upload, algorithm_did)? {
                return Ok(false);
            }
            let row = id.to_string();
            let query = "SELECT algorithms_chosen FROM agreement WHERE id = ?1";
            let before: Option<Option<String>> = one(sql, query, [&row], |row| row.get(0))?;
            let place = Place { table: "agreement", row: &row };
            let chosen = before.flatten().map(|text| place.json("algorithms_chosen", &text)).transpose()?;
            let mut chosen: BTreeMap<B256, Choice> = chosen.unwrap_or_default();
            match chosen.get(&checksum) {
                Some(first) => return Ok(*first == choice),
                None if chosen.len() >= CHOICES_MAX => return Ok(false),
                None => chosen.insert(checksum, choice),
            };
            let update = "UPDATE agreement SET algorithms_chosen = ?2 WHERE id = ?1";
            sql.execute(update, params![row, to_json(&chosen)])?;
            Ok(true)
        })
    }

    /// Records the uploaded algorithm and, if the payment is locked already, asks for the authorisation. Returns whether the
    /// agreement is about this algorithm now: the first one stays, in all that a request chooses of it.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn set_upload(
        &self,
        id: AgreementId,
        upload: &UploadFacts,
        algorithm_did: Option<Did>,
    ) -> Result<bool> {
        let facts = (
            upload.bytes,
            upload.memory_bytes_min,
            &upload.imports_refused,
            upload.component,
            &upload.bundle,
        );
        let facts = to_json(&facts);
        self.write(|sql| {
            if is_another(sql, id, upload, algorithm_did)? {
                return Ok(false);
            }
            sql.execute(
                "UPDATE agreement SET algorithm = ?2, algorithm_facts = ?3, algorithm_did = ?4 WHERE id = ?1",
                params![
                    id.to_string(),
                    upload.digest.as_slice(),
                    facts,
                    algorithm_did.map(|did| did.to_string())
                ],
            )?;
            authorize_when_ready(sql, id)?;
            Ok(true)
        })
    }

    /// Records that the computation is authorised on chain.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn set_granted(&self, id: AgreementId) -> Result<()> {
        self.write(|sql| {
            sql.execute("UPDATE agreement SET granted = 1 WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
    }
}

/// Whether the agreement has an algorithm already, and another one in what a request chooses of it.
fn is_another(
    sql: &rusqlite::Connection,
    id: AgreementId,
    upload: &UploadFacts,
    algorithm_did: Option<Did>,
) -> Result<bool> {
    let query = format!("{SELECT} WHERE id = ?1");
    let known = one(sql, &query, [id.to_string()], columns)?.map(read).transpose()?;
    let Some((there, did)) = known.and_then(|row| Some((row.upload?, row.algorithm_did))) else {
        return Ok(false);
    };
    Ok((there.digest, &there.bundle, did) != (upload.digest, &upload.bundle, algorithm_did))
}

/// Both the upload and the payment are conditions of the authorisation, in either order.
pub(super) fn authorize_when_ready(sql: &rusqlite::Connection, id: AgreementId) -> Result<()> {
    let query = "SELECT locked AND algorithm IS NOT NULL FROM agreement WHERE id = ?1";
    let ready: Option<bool> = one(sql, query, [id.to_string()], |row| row.get(0))?;
    if ready == Some(true) { outbox::add(sql, id, None, Step::Authorize) } else { Ok(()) }
}
