-- What the first upload chose besides its bytes: JSON of digest, bundle and DID. It is written before the chain is told of them,
-- which knows their checksum only.
ALTER TABLE agreement ADD COLUMN algorithm_chosen TEXT;
