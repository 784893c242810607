-- The block in which a settlement was seen: a reorganisation above it leaves the job alone. Empty for jobs of earlier releases.
ALTER TABLE job ADD COLUMN settled_block INTEGER;
CREATE INDEX job_settled_block ON job (settled_block) WHERE state = 'settled';
