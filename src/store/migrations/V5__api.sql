-- Whom a consumer has named in an order: viewers and auditors. Written before the job, so that there is never a job whose
-- viewers were forgotten; a line about a job that was refused afterwards gives no right to anything.
CREATE TABLE job_party (
    job     TEXT NOT NULL,
    address TEXT NOT NULL,
    role    TEXT NOT NULL,                   -- viewer or auditor
    PRIMARY KEY (job, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_party_address ON job_party (address);

-- Idempotency keys: which body a key was first sent with.
CREATE TABLE idempotency (
    caller    TEXT NOT NULL,
    key       TEXT NOT NULL,
    body      BLOB NOT NULL,                 -- keccak-256 of path and body
    expires_s INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_s);
