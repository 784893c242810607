-- Everything a provider must not forget. Sums and 64-bit numbers that may exceed SQLite's signed ones are text.

-- Data sets that this provider holds.
CREATE TABLE dataset (
    did           TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    root          BLOB NOT NULL,             -- manifest root under the dataset key
    dataset_key   BLOB NOT NULL,             -- secret: salts the manifest
    manifest      TEXT NOT NULL,             -- JSON list of entries
    policy        TEXT NOT NULL,             -- TOML manifest of the policy
    rules         TEXT NOT NULL,             -- Cedar rules of the policy
    ddo           TEXT NOT NULL,             -- JSON document served to consumers
    created_s     INTEGER NOT NULL
) STRICT;

-- Agreements that were executed on chain with this provider as publisher.
CREATE TABLE agreement (
    id               TEXT PRIMARY KEY,
    did              TEXT NOT NULL REFERENCES dataset (did),
    consumer         TEXT NOT NULL,
    terms            TEXT NOT NULL,          -- JSON of money::Terms
    grant_deadline_s INTEGER NOT NULL,
    algorithm        BLOB,                   -- BLAKE3 of the uploaded module
    algorithm_did    TEXT,
    algorithm_facts  TEXT,                   -- JSON of what inspection found
    locked           INTEGER NOT NULL DEFAULT 0,
    granted          INTEGER NOT NULL DEFAULT 0,
    created_s        INTEGER NOT NULL
) STRICT;

-- Used request nonces, kept until the request they belong to has expired.
CREATE TABLE nonce (
    caller    TEXT NOT NULL,
    nonce     BLOB NOT NULL,
    expires_s INTEGER NOT NULL,
    PRIMARY KEY (caller, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_expires ON nonce (expires_s);

-- Runs. The row is the queue entry, the record and, with receipt, the proof.
CREATE TABLE job (
    id             TEXT PRIMARY KEY,
    agreement      TEXT NOT NULL REFERENCES agreement (id),
    run_index      INTEGER NOT NULL,
    state          TEXT NOT NULL,
    end            TEXT,                     -- how it ended, once it has
    problem        TEXT,                     -- sentence for a person, where something went wrong on our side
    spec           TEXT NOT NULL,            -- JSON of the job spec
    spec_signature BLOB NOT NULL,
    run_key        BLOB NOT NULL,            -- secret of the consumer: salts outputs and invocation
    invocation     TEXT NOT NULL,            -- JSON
    attempt        INTEGER NOT NULL DEFAULT 0,
    lease_owner    TEXT,                     -- worker that holds it
    lease_until_s  INTEGER,
    receipt_hash   BLOB,
    outcome        TEXT,                     -- JSON
    receipt        TEXT,                     -- the receipt document
    paid           TEXT,                     -- sum released, once settled
    refunded       TEXT,
    created_s      INTEGER NOT NULL,
    UNIQUE (agreement, run_index)
) STRICT;
CREATE INDEX job_state ON job (state, created_s);

-- Outputs of finished runs, with the owner's decision about each.
CREATE TABLE output (
    job      TEXT NOT NULL REFERENCES job (id),
    kind     TEXT NOT NULL,                  -- file, directory or stream
    path     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    withheld TEXT,                           -- JSON of the refusal; NULL when it may leave
    PRIMARY KEY (job, kind, path)
) STRICT, WITHOUT ROWID;

-- What the chain still has to be told. Rows of one agreement are done in the order of their ids.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY,
    agreement TEXT NOT NULL REFERENCES agreement (id),
    job       TEXT REFERENCES job (id),
    step      TEXT NOT NULL,                 -- authorize, register, grant, release
    state     TEXT NOT NULL DEFAULT 'waiting', -- waiting, done, dead
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_s    INTEGER NOT NULL DEFAULT 0,
    tx        TEXT,
    problem   TEXT,
    UNIQUE (agreement, job, step)
) STRICT;
CREATE UNIQUE INDEX outbox_authorize ON outbox (agreement) WHERE step = 'authorize';

-- What happened to a job, for people.
CREATE TABLE history (
    id    INTEGER PRIMARY KEY,
    job   TEXT NOT NULL REFERENCES job (id),
    at_s  INTEGER NOT NULL,
    text  TEXT NOT NULL
) STRICT;
CREATE INDEX history_job ON history (job, id);

-- How far the chain's events were read.
CREATE TABLE cursor (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    block INTEGER NOT NULL
) STRICT;
