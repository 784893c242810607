//! Makes a frozen set: a receipt of today with everything to verify it, `tests/frozen/<n>/`. Programs of later must find
//! of it what this one finds. The keys are public and worth nothing. An existing set is never overwritten:
//! `cargo run -p brizo-receipt --example freeze -- tests/frozen/2`, then `brizo-verify` with all of it into `verify.txt`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use brizo_receipt::log::{
    Checkpoint, Entry as LogEntry, Event, Fetch, FetchError, Frontier, LogMember, Tree, inclusion_proof,
};
use brizo_receipt::*;
use ed25519_dalek::{Signer as _, SigningKey};

const RUN_KEY: [u8; 32] = [0x33; 32];
const DATASET_KEY: [u8; 32] = [0x22; 32];
const ORIGIN: &str = "provider.example/log";
const DID: &str = "did:op:0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d0d1d";

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    let log = Log(SigningKey::from_bytes(&[0x61; 32]));
    write("run.key", format!("{}\n", B256::new(RUN_KEY)).as_bytes());
    write("dataset.key", format!("{}\n", B256::new(DATASET_KEY)).as_bytes());
    write("log.key", format!("{}\n", log.key()).as_bytes());
    write("other.key", format!("{}\n", Log(SigningKey::from_bytes(&[0x62; 32])).key()).as_bytes());
    write("outputs/mean.json", OUTPUTS[0].1);

    let mut receipt = receipt();
    let alone = root_of_leaves(&[mount_leaf("", receipt.opening.inputs[0].root)]);
    write("ddo.json", ddo(alone).as_bytes());

    // The receipt is the third entry of five when its proof is made, and of 300 today.
    let (seen, today) = (5, 300);
    let own = receipt.log_entry(1_767_225_611).unwrap();
    let entries = |fork: bool| (0..today).map(move |n| if n == 2 && !fork { own } else { filler(n) });
    log.write(&folder.join("log"), entries(false));
    log.write(&folder.join("fork"), entries(true));
    let early = tempfile::tempdir().unwrap();
    let tree = log.write(early.path(), entries(false).take(seen));
    receipt.log = Some(LogMember {
        index: 2,
        logged_at: own.logged_at,
        checkpoint: log.checkpoint(&tree),
        proof: inclusion_proof(&Files(early.path()), &tree, 2).unwrap(),
    });
    write("receipt.json", receipt.to_text().as_bytes());
    let anchored = log.write(tempfile::tempdir().unwrap().path(), entries(false).take(4));
    write("anchor.json", serde_json::to_string(&(anchored.size, anchored.root)).unwrap().as_bytes());
}

const INPUTS: [(&str, &[u8]); 2] = [("a.csv", b"id,age\n1,30\n"), ("b.csv", b"id,age\n2,41\n")];
const OUTPUTS: [(&str, &[u8]); 2] = [("mean.json", b"{\"mean\":35.5}\n"), ("tables/secret.csv", b"yes\n")];

fn receipt() -> Receipt {
    let (run_key, dataset_key) = (Key::new(RUN_KEY), Key::new(DATASET_KEY));
    let file = |(path, bytes): &(&str, &[u8])| Entry::of(EntryKind::File, *path, bytes);
    let inputs = Manifest::new(INPUTS.iter().map(file).collect()).unwrap();
    let mut outputs: Vec<_> = OUTPUTS.iter().map(file).collect();
    outputs.push(Entry::of(EntryKind::Directory, "tables", b""));
    outputs.push(Entry::of(EntryKind::Stream, "stdout", b"done\n"));
    outputs.push(Entry::of(EntryKind::Stream, "stderr", b""));
    let outputs = Manifest::new(outputs).unwrap();
    let invocation = Invocation {
        args: ["algorithm", "/data/inputs", "/data/outputs", "--column", "age"].map(String::from).into(),
        env: vec![("LANG".into(), "C".into()), ("VOLUME".into(), "/data".into())],
    };
    let mount = Mount {
        path: String::new(),
        did: Some(DID.into()),
        root: inputs.root(&dataset_key),
        leaves: inputs.leaves(&dataset_key),
    };
    let spec = JobSpec {
        profile: profile_digest(b"{\"profile\":\"example/1\"}\n"),
        agreement_id: B256::repeat_byte(0xa1),
        run_index: 0,
        module_digest: content_digest(b"\0asm\x01\0\0\0"),
        algorithm_root: root_of_leaves(&[]),
        invocation_root: invocation_manifest(&invocation).unwrap().root(&run_key),
        inputs_root: root_of_leaves(&[mount_leaf("", mount.root)]),
        random_seed: B256::repeat_byte(0x44),
        clock_start: 1_767_225_600_000_000_000,
        clock_step: 1_000_000,
        fuel_limit: 1_000_000_000,
        memory_limit: 64 << 20,
        stack_limit: 8_388_608,
        output_limit: 1 << 20,
        files_limit: 100,
        blind_commit: blind_commit(&run_key),
    };
    let key = outputs_key(spec.hash(), &run_key, &[dataset_key]);
    let sizes = outputs.entries().iter().map(|entry| entry.size);
    let outcome = Outcome {
        status: 0,
        exit_code: 0,
        trap_code: 0,
        fuel_used: 123_456,
        output_bytes: sizes.sum(),
        outputs_root: outputs.root(&key),
    };
    let claim = ExecutionClaim { spec, outcome };
    let run_info = RunInfo {
        software: "brizo 0.1.0".into(),
        engine: "wasmtime 48.0.8".into(),
        target: "x86_64-linux".into(),
        started_at: 1_767_225_605,
        run_us: 1532,
        cached_module: false,
    };
    let withheld = |entry: &Entry| entry.path.starts_with("tables");
    let opening = Opening {
        invocation,
        algorithm: vec![],
        inputs: vec![mount],
        outputs: Opening::list_outputs(&outputs, &key, withheld),
    };
    sign(Receipt {
        format: FORMAT.into(),
        kind: Kind::ReExecutable,
        claim_hash: claim.hash(),
        claim,
        consent: None,
        attestation: None,
        run_info: run_info.to_text(),
        opening,
        log: None,
    })
}

fn sign(mut receipt: Receipt) -> Receipt {
    let (provider, consumer) =
        (SecretKey::from_bytes(&[0x51; 32]).unwrap(), SecretKey::from_bytes(&[0x52; 32]).unwrap());
    let domain = Domain {
        chain_id: 1337,
        verifying_contract: "0x5b38da6a701c568545dcfcb03fcb875f56beddc4".parse().unwrap(),
    };
    let statement = ReceiptAttestation {
        claim_hash: receipt.claim_hash,
        agreement_id: receipt.claim.spec.agreement_id,
        provider: provider.address(),
        kind: 0,
        run_info_digest: receipt.run_info_digest(),
        issued_at: 1_767_225_610,
    };
    let signature = consumer.sign(receipt.claim.spec.order_digest(&domain)).unwrap();
    receipt.consent = Some(Consent { domain, consumer: consumer.address(), signature });
    let signature = provider.sign(statement.digest(&domain)).unwrap();
    receipt.attestation = Some(Attestation { domain, statement, signature });
    receipt
}

fn ddo(inputs_root: B256) -> String {
    format!(
        "{{\n  \"id\": \"{DID}\",\n  \"service\": [{{ \"type\": \"Computing\", \"brizo\": {{ \"inputsRoot\": \"{inputs_root}\" }} }}]\n}}\n"
    )
}

/// An entry about another run.
fn filler(n: usize) -> LogEntry {
    LogEntry {
        event: Event::Permitted,
        run_index: 0,
        logged_at: 1_767_225_000 + n as u64,
        agreement_id: B256::repeat_byte(0xf1),
        subject: content_digest(&n.to_be_bytes()),
        statement: B256::ZERO,
    }
}

/// A log that signs whatever it is given.
struct Log(SigningKey);

impl Log {
    fn public(&self) -> Vec<u8> {
        [&[1], self.0.verifying_key().as_bytes().as_slice()].concat()
    }

    fn key(&self) -> String {
        signed_note::new_ed25519_verifier_key(ORIGIN, &self.0.verifying_key())
    }

    fn checkpoint(&self, tree: &Tree) -> String {
        let text = Checkpoint { origin: ORIGIN.into(), tree: *tree }.to_text();
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[self]).unwrap();
        String::from_utf8(note.to_bytes()).unwrap()
    }

    /// Writes checkpoint and tiles of hashes.
    fn write(&self, folder: &Path, entries: impl Iterator<Item = LogEntry>) -> Tree {
        let mut files = BTreeMap::new();
        let mut frontier = Frontier::default();
        let mut hashes: Vec<B256> = entries.map(|entry| entry.leaf()).collect();
        hashes.iter().for_each(|leaf| frontier.push(*leaf));
        let mut level = 0;
        while !hashes.is_empty() {
            let mut above = Vec::new();
            for (index, tile) in hashes.chunks(256).enumerate() {
                let part = if tile.len() < 256 { format!(".p/{}", tile.len()) } else { String::new() };
                files.insert(format!("tile/{level}/{index:03}{part}"), tile.concat());
                if tile.len() == 256 {
                    let mut inner = Frontier::default();
                    tile.iter().for_each(|hash| inner.push(*hash));
                    above.push(inner.tree().root);
                }
            }
            (level, hashes) = (level + 1, above);
        }
        files.insert("checkpoint".into(), self.checkpoint(&frontier.tree()).into_bytes());
        for (name, bytes) in files {
            fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
            fs::write(folder.join(&name), bytes).unwrap();
        }
        frontier.tree()
    }
}

impl signed_note::Signer for Log {
    fn name(&self) -> &str {
        ORIGIN
    }

    fn key_id(&self) -> u32 {
        signed_note::key_id(ORIGIN, &self.public())
    }

    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.0.try_sign(message)?.to_vec())
    }
}

struct Files<'a>(&'a Path);

impl Fetch for Files<'_> {
    fn fetch(&self, path: &str, _: usize) -> std::result::Result<Vec<u8>, FetchError> {
        fs::read(self.0.join(path)).map_err(|_| FetchError::Missing(path.into()))
    }
}
