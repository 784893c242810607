-- Each step of a job stands once. An index by job and step says that, and finds the steps of a job; before there was one for each,
-- and every commit writes to both.
CREATE TABLE outbox_now (
    id        INTEGER PRIMARY KEY,
    agreement TEXT NOT NULL,                 -- that of the job; an authorisation goes with its agreement
    job       TEXT REFERENCES job (id),
    step      TEXT NOT NULL,                 -- authorize, register, grant, release
    state     TEXT NOT NULL DEFAULT 'waiting', -- waiting, done, dead
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_s    INTEGER NOT NULL DEFAULT 0,
    tx        TEXT,
    problem   TEXT,
    UNIQUE (job, step)
) STRICT;
INSERT INTO outbox_now (id, agreement, job, step, state, attempts, next_s, tx, problem)
    SELECT id, agreement, job, step, state, attempts, next_s, tx, problem FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_now RENAME TO outbox;
CREATE UNIQUE INDEX outbox_authorize ON outbox (agreement) WHERE step = 'authorize';
CREATE INDEX outbox_waiting ON outbox (agreement, id) WHERE state = 'waiting';
