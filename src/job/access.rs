//! Who may see what of a job, and do what to it: the one table. It decides for status, history, receipt, outputs, logs,
//! stopping and deleting alike, whichever endpoint asks.

/// What somebody is to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing at all. To strangers a job looks like none, so that ids tell nothing.
    Stranger,
    /// Named in the order to check the receipt.
    Auditor,
    /// Named in the order to see what the consumer sees.
    Viewer,
    /// The provider's own key.
    Publisher,
    /// The consumer who ordered it.
    Owner,
}

/// What is asked of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Its state, how it ended, what it cost.
    Status,
    /// What happened to it, line by line.
    History,
    /// The receipt, with what the claim's parts are.
    Receipt,
    /// The output files that may leave.
    Outputs,
    /// Standard output and error, as far as they may leave.
    Logs,
    /// Ending it before its time.
    Stop,
    /// Having its outputs forgotten.
    Delete,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 7] =
        [Self::Status, Self::History, Self::Receipt, Self::Outputs, Self::Logs, Self::Stop, Self::Delete];
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Stranger, Self::Auditor, Self::Viewer, Self::Publisher, Self::Owner];

    /// The word in SQL and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
            Self::Publisher => "publisher",
            Self::Owner => "owner",
        }
    }

    /// From the word in SQL.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The table. The publisher has the bytes anyway, but what left is the consumer's: no endpoint hands it to anybody
    /// whom the consumer did not name. An auditor recomputes; what came out is not theirs to read.
    #[must_use]
    pub fn may(self, right: Right) -> bool {
        use Right::{Delete, History, Logs, Outputs, Receipt, Status, Stop};
        match self {
            Self::Stranger => false,
            Self::Auditor | Self::Publisher => matches!(right, Status | History | Receipt),
            Self::Viewer => matches!(right, Status | History | Receipt | Outputs | Logs),
            Self::Owner => matches!(right, Status | History | Receipt | Outputs | Logs | Stop | Delete),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_documents_say() {
        // Status, history, receipt, outputs, logs, stop, delete.
        let table = [
            (Role::Stranger, [false, false, false, false, false, false, false]),
            (Role::Auditor, [true, true, true, false, false, false, false]),
            (Role::Viewer, [true, true, true, true, true, false, false]),
            (Role::Publisher, [true, true, true, false, false, false, false]),
            (Role::Owner, [true, true, true, true, true, true, true]),
        ];
        for (role, rights) in table {
            assert_eq!(Right::ALL.map(|right| role.may(right)), rights, "{role:?}");
            assert_eq!(Role::from_word(role.word()), Some(role));
        }
        assert_eq!(Role::from_word("king"), None);
    }
}
