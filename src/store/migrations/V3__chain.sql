-- Transactions on their way, written before they are sent (chain/journal.rs).
CREATE TABLE chain_tx (
    sender TEXT NOT NULL,
    nonce  INTEGER NOT NULL,
    sent   TEXT NOT NULL,                    -- JSON of chain::Sent
    PRIMARY KEY (sender, nonce)
) STRICT, WITHOUT ROWID;

-- Ends of the ranges whose events were read: if a block's hash changes, the chain was reorganised below it.
CREATE TABLE block_seen (
    number INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL
) STRICT;

-- Block in which the payment was seen locked; a reorganisation that takes the block takes the payment back.
ALTER TABLE agreement ADD COLUMN locked_block INTEGER;
