-- Whether the last try of a step was refused by the contracts: then node and provider are well, and that agreement is not.
ALTER TABLE outbox ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
