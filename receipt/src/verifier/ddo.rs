//! What ties the `did` of a mount to its root: the DDO has the root, the chain has the DDO's digest (`docs/RECEIPT.md` §9.7).

use alloy_primitives::B256;
use serde_json::Value;

use super::chain::View;
use super::node::plain;
use super::{Stop, unexpected};
use crate::log::LogKey;
use crate::{Error, Fact, Mount, Receipt, Result, content_digest, mount_leaf, root_of_leaves};

/// Most bytes of a DDO that are read.
pub const DDO_BYTES_MAX: usize = 1 << 20;

/// A DDO as far as a receipt has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ddo {
    /// `did:op:` and 64 hex digits.
    did: String,
    /// Root over the data set mounted alone, as its computing service offers it.
    inputs_root: B256,
    /// Key of the log that the provider of the data set keeps, where it says one.
    log_key: Option<LogKey>,
    /// Digest of the document's bytes, as the registry has it.
    checksum: B256,
}

impl Ddo {
    /// Reads a DDO.
    ///
    /// # Errors
    /// [`Error::Malformed`] names what is missing or odd.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = |why: &str| Error::Malformed(format!("DDO: {why}"));
        if bytes.len() > DDO_BYTES_MAX {
            return Err(malformed(&format!("{} bytes, at most {DDO_BYTES_MAX} are read", bytes.len())));
        }
        let document: Value = serde_json::from_slice(bytes).map_err(|e| malformed(&e.to_string()))?;
        let did = document["id"].as_str().ok_or_else(|| malformed("it has no `id`"))?;
        let services =
            document["service"].as_array().ok_or_else(|| malformed("it has no list of services"))?;
        let computing = services.iter().find(|service| service["type"] == "Computing");
        let computing = computing.ok_or_else(|| malformed("it has no computing service"))?;
        let root = computing["brizo"]["inputsRoot"].as_str().and_then(|text| text.parse().ok());
        let inputs_root = root.ok_or_else(|| malformed("its computing service offers no `inputsRoot`"))?;
        let log_key = match &computing["brizo"]["logKey"] {
            Value::Null => None,
            Value::String(text) => {
                Some(LogKey::parse(text).map_err(|e| malformed(&format!("its `logKey`: {e}")))?)
            }
            _ => return Err(malformed("its `logKey` is no text")),
        };
        if number_of(did).is_none() {
            return Err(malformed(&format!("{:?} is no DID", plain(did))));
        }
        Ok(Self { did: did.into(), inputs_root, log_key, checksum: content_digest(bytes) })
    }

    /// The log key of the provider, where the document has one and is of a data set that the receipt says it was over.
    #[must_use]
    pub fn log_key_for(&self, receipt: &Receipt) -> Option<&LogKey> {
        let is_ours = |mount: &Mount| mount.did.as_deref() == Some(&self.did);
        self.log_key.as_ref().filter(|_| receipt.opening.inputs.iter().any(is_ours))
    }

    /// The mount of a receipt that says it is this data set, with this very root.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the receipt has no such mount, [`Error::HashMismatch`] when it has another root.
    pub fn check_mount<'a>(&self, receipt: &'a Receipt) -> Result<&'a Mount> {
        let mounts = &receipt.opening.inputs;
        let mount = mounts.iter().find(|mount| mount.did.as_deref() == Some(&self.did));
        let mount = mount.ok_or_else(|| Error::Unexpected {
            fact: Fact::DataSet,
            what: "data set of the DDO",
            expected: self.did.clone(),
            found: named(mounts),
        })?;
        // A DDO offers its data set alone, mounted at `/data/inputs` itself, wherever the receipt has it.
        let alone = root_of_leaves(&[mount_leaf("", mount.root)]);
        if alone != self.inputs_root {
            return Err(Error::HashMismatch {
                what: format!("inputsRoot of the DDO, and opening.inputs {:?},", mount.path),
                stated: self.inputs_root,
                computed: alone,
            });
        }
        Ok(mount)
    }
}

/// The DIDs of mounts, for people.
fn named(mounts: &[Mount]) -> String {
    let dids: Vec<String> = mounts.iter().filter_map(|mount| mount.did.as_deref()).map(plain).collect();
    if dids.is_empty() { "no DID at all".into() } else { dids.join(", ") }
}

/// The number behind a DID.
fn number_of(did: &str) -> Option<B256> {
    did.strip_prefix("did:op:").filter(|digits| digits.len() == 64)?.parse().ok()
}

/// Checks that the agreement is about these data sets, and that the registry had these very documents when the receipt was committed. Anybody can register a
/// document that offers somebody else's root; the agreement alone says whose data was ordered.
pub(super) fn check_on_chain<'a>(
    ddos: impl IntoIterator<Item = &'a Ddo>,
    agreement: B256,
    view: &View<'_>,
) -> std::result::Result<Vec<String>, Stop> {
    let mut notes = Vec::new();
    for ddo in ddos {
        let did = number_of(&ddo.did).unwrap_or_default();
        let ordered = view.data_set(agreement)?;
        if did != ordered {
            let ordered = format!("did:op:{ordered:x}");
            return Err(unexpected(
                Fact::DataSet,
                "data set of the DDO, which must be that of the agreement,",
                ordered,
                &ddo.did,
            ));
        }
        let Some(registered) = view.checksum(did)? else {
            let why =
                "the receipt is not known to be committed, so it is not known which DDO was registered then";
            return Err(Stop::Missing(why.into()));
        };
        if registered != ddo.checksum {
            let found = if registered.is_zero() { "nothing".into() } else { registered.to_string() };
            return Err(unexpected(
                Fact::DataSet,
                "digest of the DDO in the registry when the receipt was committed",
                ddo.checksum,
                found,
            ));
        }
        notes.push(format!(
            "the agreement is about {0}, and the registry had the digest of its DDO then",
            ddo.did
        ));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DID: &str = "did:op:0101010101010101010101010101010101010101010101010101010101010101";

    #[test]
    fn a_ddo_is_read_or_refused_with_a_reason() {
        let root = B256::repeat_byte(7);
        let good = format!(
            r#"{{"id":"{DID}","service":[{{"type":"Metadata"}},{{"type":"Computing","brizo":{{"inputsRoot":"{root}"}}}}]}}"#
        );
        let ddo = Ddo::parse(good.as_bytes()).unwrap();
        assert_eq!((ddo.did.as_str(), ddo.inputs_root), (DID, root));
        for (from, to, why) in [
            ("\"id\"", "\"ID\"", "`id`"),
            ("\"service\"", "\"services\"", "list of services"),
            ("\"Computing\"", "\"Access\"", "computing service"),
            ("0707", "07zz", "`inputsRoot`"),
            ("did:op:01", "did:op:1", "is no DID"),
            (r#""inputsRoot""#, r#""logKey":7,"inputsRoot""#, "`logKey` is no text"),
            (r#""inputsRoot""#, r#""logKey":"provider+1+2","inputsRoot""#, "`logKey`: "),
        ] {
            let error = Ddo::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(
            Ddo::parse(&vec![b' '; DDO_BYTES_MAX + 1]).unwrap_err().to_string().contains("1048577 bytes")
        );
    }
}
