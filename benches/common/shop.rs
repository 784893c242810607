//! A provider in this process, whose chain is a function that says yes: what remains is HTTP, queue, sandbox, receipt and
//! disk. Brizo has no way of ordering without an agreement, and gets none for a bench; the agreements are put into the
//! store as the listener would have put them.

use std::path::{Path, PathBuf};

use alloy::providers::{Provider as _, ProviderBuilder};
use alloy::transports::mock::Asserter;
use anyhow::{Context as _, Result, ensure};
use brizo::app::{Parts, assemble};
use brizo::chain::{Chain, Deployment};
use brizo::client::Client;
use brizo::config::Config;
use brizo::data::BlobStore;
use brizo::ids::{AgreementId, Did, JobId};
use brizo::job::{Start, UploadFacts, inputs_root, invocation};
use brizo::money::Terms;
use brizo::sandbox::{ArtefactCache, Engine, Kind, profile_digest_for};
use brizo::store::{AgreementRow, DatasetRow, SeenBlock, Store};
use brizo_receipt::{
    Address, B256, Entry, EntryKind, JobSpec, Key, Manifest, Receipt, SecretKey, blind_commit,
    content_digest, invocation_manifest, root_of_leaves,
};
use tokio::sync::watch;

/// The algorithm: it does nothing, and is a program all the same.
const TRIVIAL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
/// Calls of the chain that are answered in advance; a job makes three.
const ANSWERS: usize = 200_000;
/// When the agreements end: not during a bench.
const DEADLINE_S: u64 = 4_000_000_000;

/// A provider that serves and works, and its consumer.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) folder: PathBuf,
    key: SecretKey,
    dataset: DatasetRow,
    module: B256,
    deployment: Deployment,
    _stop: [watch::Sender<bool>; 2],
}

fn key(byte: u8) -> Result<SecretKey> {
    SecretKey::from_bytes(&[byte; 32]).map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn deployment() -> Deployment {
    let at = Address::repeat_byte;
    Deployment {
        chain_id: 31_337,
        block: 0,
        service_agreement: at(1),
        compute_conditions: at(2),
        payment_conditions: at(3),
        access_conditions: at(4),
        did_registry: at(5),
        dispute_conditions: None,
        test_token: None,
    }
}

/// Every answer is the 32 bytes of `true`.
fn yes() -> Result<alloy::providers::DynProvider> {
    let asserter = Asserter::new();
    for _ in 0..ANSWERS {
        asserter.push_success(&B256::with_last_byte(1));
    }
    Ok(ProviderBuilder::new().connect_mocked_client(asserter).erased())
}

impl Shop {
    /// Opens a shop in a new folder below `root`.
    pub(crate) async fn open(root: &Path, name: &str) -> Result<Self> {
        let folder = root.join(name);
        std::fs::create_dir(&folder)?;
        let config = config(&folder)?;
        let (publisher, consumer) = (key(1)?, key(2)?);
        let rules = brizo::store::QueueRules {
            waiting_max: 100_000,
            waiting_per_consumer_max: 100_000,
            ..config.queue_rules()
        };
        let store = Store::open_to_serve(&folder.join("brizo.db"))?.with_rules(rules);
        let blobs = BlobStore::open(&folder.join("blobs"))?;
        let module = blobs.put(&*wat::parse_str(TRIVIAL)?)?.0;
        let dataset = dataset(&blobs, module)?;
        store.insert_dataset(&dataset, 1)?;
        let chain = Chain::over(yes()?, deployment(), &publisher)?;
        let provider = publisher.address();
        let parts = Parts { config, store: store.clone(), blobs, chain, key: publisher };
        let (stop, stopped) = watch::channel(false);
        let (api, mut worker) = assemble(parts, stopped.clone()).await?;
        // This program has no verb that compiles in a child; compiling is once, and not what is measured.
        let cache = ArtefactCache::open(&folder.join("compiled"))?;
        worker.engine = Engine::new(Some(cache))?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (cut, cut_off) = watch::channel(false);
        tokio::spawn(worker.clone().run_queue(stopped.clone(), cut_off));
        tokio::spawn(worker.publish_log(stopped));
        tokio::spawn(async move { axum::serve(listener, brizo::api::router(api)).await });
        let deployment = deployment();
        let client = Client::new(&url, consumer.clone(), provider, deployment.domain())?;
        let _stop = [stop, cut];
        Ok(Self { client, store, folder, key: consumer, dataset, module, deployment, _stop })
    }

    /// An agreement that is executed, uploaded to, paid and granted.
    pub(crate) fn agreement(&self) -> Result<AgreementId> {
        let id = AgreementId(B256::random());
        let zero = alloy_primitives::U256::ZERO;
        let row = AgreementRow {
            id,
            did: self.dataset.did,
            consumer: self.key.address(),
            terms: Terms {
                token: Address::ZERO,
                price: zero,
                base: zero,
                fuel_price: zero,
                output_price: zero,
            },
            grant_deadline_s: DEADLINE_S,
            upload: None,
            algorithm_did: None,
            locked: false,
            granted: false,
            runs: 0,
        };
        self.store.insert_agreement(&row, 1)?;
        let upload = UploadFacts {
            digest: self.module,
            bytes: TRIVIAL.len() as u64,
            memory_bytes_min: 65_536,
            imports_refused: Vec::new(),
            component: false,
            bundle: None,
        };
        self.store.set_upload(id, &upload, None)?;
        self.store.record_locked(&[(id.0, 1)], SeenBlock { number: 1, hash: B256::ZERO })?;
        Ok(id)
    }

    /// The body of an order, signed.
    pub(crate) fn order(&self, id: AgreementId) -> Result<Vec<u8>> {
        let run_key = Key::new([7; 32]);
        let invocation = invocation(&Start::default(), &[], &[], &[self.dataset.did.to_string()], None)?;
        let spec = JobSpec {
            profile: profile_digest_for(Kind::Core),
            agreement_id: id.0,
            run_index: 0,
            module_digest: self.module,
            algorithm_root: root_of_leaves(&[]),
            invocation_root: invocation_manifest(&invocation)?.root(&run_key),
            inputs_root: inputs_root(self.dataset.root),
            random_seed: B256::ZERO,
            clock_start: 0,
            clock_step: 1,
            fuel_limit: 1_000_000,
            memory_limit: 1 << 20,
            stack_limit: brizo::job::STACK_LIMIT_DEFAULT,
            output_limit: 1 << 16,
            files_limit: 10,
            blind_commit: blind_commit(&run_key),
        };
        let signature = self.key.sign(spec.order_digest(&self.deployment.domain()))?;
        Ok(serde_json::to_vec(&serde_json::json!({
            "serviceAgreementId": id, "consumerAddress": self.key.address(), "spec": spec,
            "specSignature": format!("0x{}", hex::encode(signature.0)), "runKey": B256::from(*run_key.bytes()),
        }))?)
    }

    /// From the order to the signed receipt in the consumer's hands: the order waits for it.
    pub(crate) async fn trip(&self, order: Vec<u8>) -> Result<()> {
        let ordered = self.client.order(order, 60).await?;
        let receipt = ordered.receipt.context("no receipt came")?;
        ensure!(Receipt::parse(receipt.get().as_bytes())?.claim.outcome.status == 0, "another outcome");
        Ok(())
    }

    /// The same by two requests, one for the order and one for the receipt.
    pub(crate) async fn two_trips(&self, id: AgreementId, order: Vec<u8>) -> Result<()> {
        self.client.post("/api/v1/brizo/services/computing/exec", "application/json", order).await?;
        let job = JobId { agreement: id, run_index: 0 };
        let receipt = self.client.get(&format!("/api/v1/jobs/{job}/receipt?wait=60")).await?;
        ensure!(Receipt::parse(&receipt)?.claim.outcome.status == 0, "another outcome");
        Ok(())
    }
}

fn config(folder: &Path) -> Result<Config> {
    let path = folder.join("brizo.toml");
    std::fs::write(
        &path,
        "data_dir = \".\"\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://bench.example\"\nrpc = \"http://127.0.0.1:1\"\n\
         deployment = \"none\"\nkey_file = \"none\"\n[api]\nrequests_per_second = 0\n",
    )?;
    Ok(Config::load(&path)?)
}

fn dataset(blobs: &BlobStore, module: B256) -> Result<DatasetRow> {
    let (did, dataset_key) = (Did(B256::repeat_byte(9)), Key::new([3; 32]));
    blobs.put(&b"1,2,3\n"[..])?;
    let entry = Entry::of(EntryKind::File, "table.csv", b"1,2,3\n");
    ensure!(entry.digest == content_digest(b"1,2,3\n"), "another digest");
    let manifest = Manifest::new(vec![entry])?;
    let policy = format!(
        "name = \"bench\"\ndescription = \"one that does nothing\"\n[[algorithms]]\ndigest = \"{module}\"\nname = \"trivial\"\n\
         [ceilings]\nfuel = 1_000_000\nmemory_bytes = 1048576\noutput_bytes = 65536\noutput_files = 10\nwall_clock_s = 60\n\
         algorithm_bytes = 1000\n[consumers]\nany = true\n[outputs]\ndeclared = [\"*.csv\"]\nstreams = [\"stdout\"]\n\
         file_bytes_max = 65536\n[price]\ntoken = \"{}\"\nmax = \"1\"\nbase = \"1\"\nfuel_per_million = \"0\"\noutput_per_million = \"0\"\n",
        Address::ZERO
    );
    let rules = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/open-statistics/rules.cedar"),
    )?;
    brizo::policy::Policy::parse(&policy, &rules)?;
    Ok(DatasetRow {
        did,
        name: "bench".into(),
        root: manifest.root(&dataset_key),
        key: dataset_key,
        manifest,
        policy,
        rules,
        ddo: "{}".into(),
    })
}
