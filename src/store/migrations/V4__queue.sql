-- What the queue needs to be fair, to keep to its budget, and to leave nothing stuck.
ALTER TABLE job ADD COLUMN ordered_by    TEXT NOT NULL DEFAULT '';    -- the agreement's, for the queue's order
ALTER TABLE job ADD COLUMN priority      INTEGER NOT NULL DEFAULT 0;  -- higher first
ALTER TABLE job ADD COLUMN memory_bytes  INTEGER NOT NULL DEFAULT 0;  -- reserved while it is worked on
ALTER TABLE job ADD COLUMN start_by_s    INTEGER NOT NULL DEFAULT 0;  -- after this it is not started any more
ALTER TABLE job ADD COLUMN state_until_s INTEGER;                     -- when its state must be over, once it is worked on
ALTER TABLE job ADD COLUMN not_before_s  INTEGER NOT NULL DEFAULT 0;  -- it rests until then after a failure of the host
ALTER TABLE job ADD COLUMN failures      INTEGER NOT NULL DEFAULT 0;  -- attempts that the host failed
ALTER TABLE job ADD COLUMN crashes       INTEGER NOT NULL DEFAULT 0;  -- attempts that ended with the worker
ALTER TABLE job ADD COLUMN passed        INTEGER NOT NULL DEFAULT 0;  -- smaller jobs that went before it
ALTER TABLE job ADD COLUMN ended_s       INTEGER;                     -- when it became final
UPDATE job SET
    ordered_by = (SELECT consumer FROM agreement WHERE agreement.id = job.agreement),
    memory_bytes = min(9000000000000000, CAST(json_extract(spec, '$.memoryLimit') AS INTEGER) + CAST(json_extract(spec, '$.outputLimit') AS INTEGER)),
    start_by_s = (SELECT grant_deadline_s FROM agreement WHERE agreement.id = job.agreement),
    ended_s = CASE WHEN state IN ('settled', 'aborted', 'unsettled') THEN created_s END;

-- How many jobs are in the store must not matter: each look goes through an index of the few that it is about.
DROP INDEX job_state;
CREATE INDEX job_waiting ON job (ordered_by, created_s) WHERE state = 'queued';
CREATE INDEX job_held ON job (ordered_by) WHERE state IN ('preparing', 'running');
CREATE INDEX job_aside ON job (start_by_s) WHERE state IN ('queued', 'quarantined');
CREATE INDEX job_publishing ON job (state_until_s) WHERE state = 'publishing';
CREATE INDEX job_ended ON job (ended_s) WHERE ended_s IS NOT NULL;
CREATE INDEX job_consumer ON job (ordered_by, created_s);
CREATE INDEX outbox_waiting ON outbox (agreement, id) WHERE state = 'waiting';
CREATE INDEX outbox_job ON outbox (job);
CREATE INDEX agreement_consumer ON agreement (consumer);
CREATE INDEX agreement_deadline ON agreement (grant_deadline_s);

-- Runs of an agreement whose rows retention has deleted: their numbers are not given again.
ALTER TABLE agreement ADD COLUMN runs_deleted INTEGER NOT NULL DEFAULT 0;

-- Whose turn it is: the consumer that was served longest ago goes first.
CREATE TABLE served (
    consumer TEXT PRIMARY KEY,
    turn     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX served_turn ON served (turn);
