-- How often in a row a step has failed otherwise than by a refusal of the contracts: after a refusal node and provider are well,
-- and that agreement is not.
ALTER TABLE outbox ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
