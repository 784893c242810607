//! A consumer with a key, who can also do what no honest one would.

use alloy_primitives::U256;
use brizo::chain::{Chain, ComputeTemplate, Deployment, Mined, NewAgreement, Timeouts};
use brizo::client::{Client, Error, fetch};
use brizo::ids::{AgreementId, JobId};
use brizo::job::{self, ComputeOffer};
use brizo::sandbox::{Kind, inspect, profile_digest_for};
use brizo::signed_request::RequestToSign;
use brizo_receipt::{
    AlgorithmUpload, B256, JobSpec, Key, SecretKey, blind_commit, content_digest, invocation_manifest,
    keccak256, root_of_leaves,
};
use serde_json::{Value, json};

use super::World;

pub(crate) const SERVICES: &str = "/api/v1/brizo/services/computing";

pub(crate) struct Consumer {
    pub(crate) key: SecretKey,
    pub(crate) client: Client,
    pub(crate) chain: Chain,
    pub(crate) url: String,
    pub(crate) deployment: Deployment,
    pub(crate) did: brizo::ids::Did,
    pub(crate) publisher: brizo_receipt::Address,
}

impl Consumer {
    pub(super) fn new(world: &World, key: SecretKey) -> Self {
        let url = world.provider.url.clone();
        let domain = world.deployment.domain();
        Self {
            client: Client::new(&url, key.clone(), world.publisher(), domain).unwrap(),
            chain: world.chain(&key),
            deployment: world.deployment.clone(),
            did: world.did,
            publisher: world.publisher(),
            url,
            key,
        }
    }

    pub(crate) async fn offer(&self) -> ComputeOffer {
        let path = format!("/api/v1/assets/{}", self.did);
        // Tests kill the provider at any moment.
        let ddo = super::persist("an offer", async || fetch(&self.url, &path).await).await;
        job::read_offer(&serde_json::from_slice(&ddo).unwrap()).unwrap()
    }

    pub(crate) fn new_id(&self) -> AgreementId {
        AgreementId(B256::random())
    }

    /// The body of a good initialize request.
    pub(crate) async fn agreement_body(&self, id: AgreementId) -> Value {
        let offer = self.offer().await;
        let timeouts = Timeouts {
            lock_s: offer.lock_timeout_s,
            grant_s: offer.grant_timeout_s,
            release_s: offer.release_timeout_s,
        };
        let new = NewAgreement {
            template: ComputeTemplate::Repeatable,
            id,
            did: self.did,
            publisher: self.publisher,
            consumer: self.key.address(),
            terms: &offer.terms,
            timeouts,
        };
        let digest = self.deployment.agreement_digest(&new).unwrap();
        json!({
            "did": self.did, "serviceAgreementId": id, "serviceDefinitionId": "0",
            "signature": hex0x(&self.key.sign(digest).unwrap().0), "consumerAddress": self.key.address(),
        })
    }

    /// Any request, signed, with more headers; the answer as it is.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> reqwest::Response {
        let request = RequestToSign {
            method,
            path,
            body,
            provider: self.publisher,
            nonce: B256::random(),
            expiry_s: brizo::clock::Clock::system().now_s() + 60,
        };
        // Long bodies need it, and it does no harm to others.
        let header = request.header(&self.key, &self.deployment.domain()).unwrap()
            + &format!(",body={}", keccak256(body));
        let mut request = reqwest::Client::new()
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .header("authorization", header)
            .body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, endpoint: &str, body: &Value) -> Result<Value, Error> {
        self.client
            .post(&format!("{SERVICES}/{endpoint}"), "application/json", serde_json::to_vec(body).unwrap())
            .await
    }

    pub(crate) async fn agree(&self) -> AgreementId {
        let id = self.new_id();
        self.post("initialize", &self.agreement_body(id).await).await.unwrap();
        id
    }

    /// The signature of good upload, over any bytes.
    pub(crate) fn signed_checksum(&self, id: AgreementId, bytes: &[u8]) -> String {
        let statement = AlgorithmUpload { agreement_id: id.0, checksum: keccak256(bytes) };
        hex0x(&self.key.sign(statement.digest(&self.deployment.domain())).unwrap().0)
    }

    pub(crate) async fn upload(&self, id: AgreementId, module: &[u8]) -> Result<Value, Error> {
        self.upload_signed(id, module, &self.signed_checksum(id, module)).await
    }

    pub(crate) async fn upload_signed(
        &self,
        id: AgreementId,
        module: &[u8],
        signed: &str,
    ) -> Result<Value, Error> {
        let path = format!("{SERVICES}/upload?serviceAgreementId={id}&signedChecksum={signed}");
        self.client.post(&path, "application/octet-stream", module.to_vec()).await
    }

    pub(crate) async fn lock(&self, id: AgreementId) -> Mined {
        self.try_lock(id).await.unwrap()
    }

    pub(crate) async fn try_lock(&self, id: AgreementId) -> Result<Mined, brizo::chain::Error> {
        let terms = self.offer().await.terms;
        self.chain.approve_token(terms.token, U256::MAX).await?;
        self.chain.lock_payment(id, self.did, &terms).await
    }

    /// The body of a good exec request.
    pub(crate) async fn order_body(&self, id: AgreementId, module: &[u8], args: &[&str]) -> Value {
        self.order_with(id, module, args, 200_000_000, |_| {}).await
    }

    pub(crate) async fn order_with(
        &self,
        id: AgreementId,
        module: &[u8],
        args: &[&str],
        fuel: u64,
        change: impl FnOnce(&mut JobSpec),
    ) -> Value {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let run_key = Key::new([7; 32]);
        let invocation =
            job::invocation(&job::Start::default(), &args, &[], &[self.did.to_string()], None).unwrap();
        let mut spec = JobSpec {
            profile: profile_of(module),
            agreement_id: id.0,
            run_index: 0,
            module_digest: content_digest(module),
            algorithm_root: root_of_leaves(&[]),
            invocation_root: invocation_manifest(&invocation).unwrap().root(&run_key),
            inputs_root: self.offer().await.inputs_root,
            random_seed: B256::repeat_byte(3),
            clock_start: 0,
            clock_step: 1000,
            fuel_limit: fuel,
            memory_limit: 64 << 20,
            stack_limit: brizo::job::STACK_LIMIT_DEFAULT,
            output_limit: 1 << 20,
            files_limit: 50,
            blind_commit: blind_commit(&run_key),
        };
        change(&mut spec);
        let signature = self.key.sign(spec.order_digest(&self.deployment.domain())).unwrap();
        json!({
            "serviceAgreementId": id, "consumerAddress": self.key.address(), "spec": spec,
            "specSignature": hex0x(&signature.0), "runKey": B256::from(*run_key.bytes()), "args": args, "env": [],
        })
    }

    /// Orders, repeating while the authorisation is on its way.
    pub(crate) async fn order(&self, id: AgreementId, module: &[u8], args: &[&str], fuel: u64) -> JobId {
        let body = self.order_with(id, module, args, fuel, |_| {}).await;
        self.exec_when_granted(&body).await;
        JobId { agreement: id, run_index: 0 }
    }

    /// A job that is running, and goes on until it is stopped.
    pub(crate) async fn running_job(&self) -> JobId {
        let module = crate::guests::guest("hostile");
        let id = self.pay_for(&module).await;
        let job = self.order(id, &module, &["loop"], super::FUEL_MAX).await;
        self.wait_for(job, "running").await;
        job
    }

    pub(crate) async fn exec_when_granted(&self, body: &Value) -> Value {
        let answer = std::sync::Mutex::new(None);
        super::eventually("the computation is granted", async || match self.post("exec", body).await {
            Ok(given) => {
                *answer.lock().unwrap() = Some(given);
                true
            }
            Err(error) => {
                assert_eq!(error.code(), Some("computation_not_granted"), "{error}");
                false
            }
        })
        .await;
        answer.into_inner().unwrap().unwrap()
    }

    /// Agreement, upload and payment, ready to be ordered.
    pub(crate) async fn pay_for(&self, module: &[u8]) -> AgreementId {
        let id = self.agree().await;
        self.upload(id, module).await.unwrap();
        self.lock(id).await;
        id
    }

    pub(crate) async fn status(&self, id: JobId) -> Value {
        self.client.get_json(&format!("/api/v1/jobs/{id}")).await.unwrap()
    }

    /// Waits until the job is in a state; fails at once when it has ended in another one.
    pub(crate) async fn wait_for(&self, id: JobId, state: &str) -> Value {
        super::eventually(state, async || {
            let status = self.status(id).await;
            let is_there = status["state"] == state;
            let is_over = ["settled", "aborted", "unsettled"].iter().any(|end| status["state"] == *end);
            assert!(is_there || !is_over, "job {id} ended otherwise than {state}: {status}");
            is_there
        })
        .await;
        self.status(id).await
    }
}

pub(crate) fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// The profile under which a module runs; what is no module is ordered under the one of core modules.
fn profile_of(module: &[u8]) -> B256 {
    let kind = inspect(module, u64::MAX).map_or(Kind::Core, |inspection| inspection.kind);
    profile_digest_for(kind)
}
