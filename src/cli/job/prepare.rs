//! Before anything is signed: the asset's DDO, checked against the chain, and the algorithm, checked by the gate.

use anyhow::{Context, Result, bail};
use brizo_receipt::verifier::harmless;
use brizo_receipt::{Address, B256, SecretKey, content_digest};
use indicatif::{ProgressBar, ProgressStyle};

use super::algorithm::Algorithm;
use super::file::JobFile;
use super::written::Payment;
use crate::chain::{Chain, ComputeTemplate, Timeouts};
use crate::cli::Refused;
use crate::client::{Client, fetch};
use crate::config::read_deployment;
use crate::container;
use crate::job::{ComputeOffer, check_ddo, read_offer};

/// Ends with a refusal, as the provider's would be.
macro_rules! refuse {
    ($($text:tt)*) => { return Err(Refused(format!($($text)*)).into()) };
}

/// What a bar of bytes shows.
const BAR: &str =
    "  {msg:<9} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// Everything that the verbs share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) file: JobFile,
    pub(super) key: SecretKey,
    pub(super) chain: Chain,
    pub(super) client: Client,
    pub(super) offer: ComputeOffer,
    /// Whether nothing is said while the verb works.
    pub(super) quiet: bool,
}

impl Session {
    /// Reads the offer and checks that it is the one its owner registered on chain.
    pub(super) async fn open(file: JobFile) -> Result<Self> {
        let key = file.key()?;
        let chain = Chain::connect(&file.rpc, read_deployment(&file.deployment)?, Some(&key))?;
        chain.check().await?;
        let offer = read_checked_offer(&file, &chain).await?;
        let client = Client::new(&file.provider, key.clone(), offer.publisher, chain.deployment().domain())?;
        Ok(Self { file, key, chain, client, offer, quiet: false })
    }

    /// Says nothing while it works, if `quiet`.
    pub(super) fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// A line of progress on standard error.
    pub(super) fn step(&self, name: &str, text: &str) {
        if !self.quiet {
            // The provider has a say in some of them.
            eprintln!("  {name:<9} {}", harmless(text));
        }
    }

    /// A bar, or without a length a wheel, that draws itself on a terminal only.
    pub(super) fn bar(&self, bytes: Option<u64>) -> ProgressBar {
        match (self.quiet, bytes) {
            (true, _) => ProgressBar::hidden(),
            (false, None) => ProgressBar::new_spinner(),
            (false, Some(bytes)) => {
                let bar = ProgressBar::new(bytes);
                let style = ProgressStyle::with_template(BAR);
                if let Ok(style) = style { bar.with_style(style) } else { bar }
            }
        }
    }

    /// The algorithm, having passed the gate and the offer's ceilings.
    pub(super) async fn algorithm(&self) -> Result<Algorithm> {
        Algorithm::read(&self.file, &self.offer).await
    }

    /// The profile under which the algorithm runs, which is the provider's as well.
    pub(super) fn profile(&self, algorithm: &Algorithm) -> Result<B256> {
        let offered = [Some(self.offer.profile), self.offer.component_profile];
        if offered.contains(&Some(algorithm.profile)) {
            return Ok(algorithm.profile);
        }
        refuse!(
            "the data set is offered under profile {}, this program runs such an algorithm under {}; use the same \
             release, and the kind of algorithm (module, component, image) that the data set is for",
            self.offer.profile,
            algorithm.profile
        )
    }

    /// The template of the agreement: receipts of containers are released as attested.
    pub(super) fn template(&self) -> ComputeTemplate {
        match self.offer.profile == container::profile_digest() {
            true => ComputeTemplate::Attested,
            false => ComputeTemplate::Repeatable,
        }
    }

    /// Refuses what the provider would refuse, before anything is signed or paid.
    pub(super) async fn check_order(&self) -> Result<()> {
        let (limits, offered, price) = (&self.file.limits, &self.offer.ceilings, self.offer.terms.price);
        let table = [
            ("limits.fuel", limits.fuel, offered.fuel),
            ("limits.memory_bytes", limits.memory_bytes, offered.memory_bytes),
            ("limits.output_bytes", limits.output_bytes, offered.output_bytes),
            ("limits.output_files", limits.output_files, offered.output_files),
        ];
        for (key, ordered, ceiling) in table {
            if ordered > ceiling {
                refuse!("{key} is {ordered}, the data set's ceiling is {ceiling}");
            }
        }
        if price > self.file.payment.max_price {
            refuse!(
                "the data set asks to lock {price}, payment.max_price is {}",
                self.file.payment.max_price
            );
        }
        check_payment(&self.file.payment, self.offer.terms.token, self.timeouts())?;
        let algorithm = self.algorithm().await?;
        self.profile(&algorithm)?;
        if limits.fuel == 0 {
            refuse!("limits.fuel is 0, so nothing would run; `brizo run` prints how much a run uses");
        }
        let needed = algorithm.memory_bytes_min;
        if needed > limits.memory_bytes {
            refuse!("limits.memory_bytes is {}, the module starts with {needed}", limits.memory_bytes);
        }
        Ok(())
    }

    /// Refuses what the key cannot pay, before the provider pays for an agreement on chain that comes to nothing.
    pub(super) async fn check_balance(&self) -> Result<()> {
        let (token, price, own) = (self.offer.terms.token, self.offer.terms.price, self.key.address());
        let ether = self.chain.own_balance().await?;
        if token.is_zero() && ether <= price {
            refuse!(
                "{own} has {ether} wei; the data set asks to lock {price}, and gas costs something besides"
            );
        }
        if ether.is_zero() {
            refuse!("{own} has nothing to pay the gas of a transaction with");
        }
        if !token.is_zero() {
            let has = self.chain.token_balance(token, own).await?;
            if has < price {
                refuse!("{own} has {has} of the token {token}, the data set asks to lock {price}");
            }
        }
        Ok(())
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts {
            lock_s: self.offer.lock_timeout_s,
            grant_s: self.offer.grant_timeout_s,
            release_s: self.offer.release_timeout_s,
        }
    }
}

/// Refuses another token than the one that the job file's price counts, and a payment that would be held for too long.
fn check_payment(allowed: &Payment, token: Address, times: Timeouts) -> Result<()> {
    if token != allowed.token {
        let name = |token: Address| if token.is_zero() { "ETH".into() } else { format!("the token {token}") };
        refuse!(
            "the data set is paid in {}, and payment.max_price counts {}; write payment.token = \"{token}\", and the price \
             in its smallest unit",
            name(token),
            name(allowed.token)
        );
    }
    let release_s = if times.release_s == 0 { 7 * 86_400 } else { times.release_s };
    let held_s = times.grant_s.saturating_add(release_s);
    if held_s > allowed.max_wait_s {
        refuse!(
            "a provider that does nothing can hold the payment for {held_s} s under this agreement, payment.max_wait_s is {}",
            allowed.max_wait_s
        );
    }
    Ok(())
}

async fn read_checked_offer(file: &JobFile, chain: &Chain) -> Result<ComputeOffer> {
    let registered = chain.asset(file.did).await?;
    let (_, checksum, _) =
        registered.with_context(|| format!("{} is not registered on this chain", file.did))?;
    let bytes = fetch(&file.provider, &format!("/api/v1/assets/{}", file.did)).await?;
    if content_digest(&bytes) != checksum {
        bail!("the DDO that the provider serves is not the one registered on chain; do not sign anything");
    }
    let ddo = serde_json::from_slice(&bytes).context("the DDO is no JSON document")?;
    if let Some(wrong) = check_ddo(&ddo).first() {
        bail!("the DDO is none that an agreement can be made under: {wrong}");
    }
    let offer = read_offer(&ddo).map_err(anyhow::Error::msg)?;
    let deployment = chain.deployment();
    if offer.chain_id != deployment.chain_id || offer.service_agreement != deployment.service_agreement {
        bail!("the DDO is for another deployment than your deployment file");
    }
    Ok(offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_counts_one_token_and_a_payment_is_held_for_so_long() {
        let payment = |token, max_wait_s| Payment { max_price: Default::default(), token, max_wait_s };
        let times = |grant_s, release_s| Timeouts { lock_s: 0, grant_s, release_s };
        let (ether, other) = (Address::ZERO, Address::repeat_byte(7));
        let said = |allowed: &Payment, token, times| {
            check_payment(allowed, token, times).map_err(|error| error.to_string()).err().unwrap_or_default()
        };
        for token in [ether, other] {
            assert_eq!(said(&payment(token, 700_000), token, times(86_400, 0)), "");
        }
        assert!(said(&payment(ether, 700_000), other, times(1, 1)).contains("payment.token = \"0x0707"));
        assert!(said(&payment(other, 700_000), ether, times(1, 1)).contains("paid in ETH"));
        assert!(said(&payment(ether, 600_000), ether, times(86_400, 0)).contains("691200 s"));
        assert_eq!(said(&payment(ether, 11), ether, times(5, 6)), "");
        assert!(said(&payment(ether, 10), ether, times(5, 6)).contains("payment.max_wait_s is 10"));
        assert!(said(&payment(ether, u64::MAX - 1), ether, times(u64::MAX, u64::MAX)).contains("max_wait_s"));
    }
}
