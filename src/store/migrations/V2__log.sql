-- The transparency log (docs/RECEIPT.md §14). These rows are the log; its tiles and checkpoints are made from them.
-- `seq` has no gaps: it is the entry's position in the tree.
CREATE TABLE log_entry (
    seq       INTEGER PRIMARY KEY,
    entry     BLOB NOT NULL CHECK (length(entry) = 116),
    once      TEXT UNIQUE,               -- what must not be logged twice
    job       TEXT,                      -- job it is about; a refused order has no row there
    nonce     BLOB,                      -- opens the entry's statement, with `detail`
    detail    TEXT
) STRICT;
CREATE INDEX log_entry_job ON log_entry (job);
