-- What was chosen first with each checksum: a JSON object of checksums, each with digest, bundle and DID. It is written before the chain
-- is told of the checksum, which is all that the chain knows of an upload.
ALTER TABLE agreement ADD COLUMN algorithms_chosen TEXT;
