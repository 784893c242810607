//! What the demo came to: three hashes that have to be equal, what it cost, and where to look.

use std::fs;
use std::path::{Path, PathBuf};

use super::progress::Progress;
use crate::json::Json;

const LINES_SHOWN: usize = 6;

#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) root: PathBuf,
    /// The brizo that was used.
    pub(crate) program: PathBuf,
    pub(crate) published: Json,
    pub(crate) job: Json,
    pub(crate) verified: Json,
    pub(crate) replayed: Json,
    /// Read from the chain without brizo.
    pub(crate) on_chain: String,
}

impl Summary {
    /// Prints it; an error if anything is not as it should be.
    pub(crate) fn print(&self, progress: &Progress) -> Result<(), String> {
        println!("\n== the demo in short ==");
        println!("data set   {}", self.published.text("did")?);
        println!("job        {}, {}", self.job.text("jobId")?, self.job.text("end")?);
        self.print_outputs()?;
        println!(
            "\nfuel       {}\npaid       {}\nrefunded   {}",
            self.job.text("fuelUsed")?,
            ether(self.job.text("paid")?),
            ether(self.job.text("refunded")?)
        );
        self.print_tiers()?;
        println!("\ntime per step");
        progress.print_table();
        self.compare()?;
        self.print_next();
        Ok(())
    }

    /// The point of it all.
    fn compare(&self) -> Result<(), String> {
        let (receipt, replayed) = (self.job.text("receiptHash")?, self.replayed.text("replayedHash")?);
        println!("\nreceipt hash, from the provider   {receipt}");
        println!("receipt hash, from the chain      {}", self.on_chain);
        println!("receipt hash, from a second run   {replayed}");
        let others =
            [&self.on_chain, replayed, self.job.text("onChainHash")?, self.verified.text("receiptHash")?];
        if !others.iter().all(|other| other.eq_ignore_ascii_case(receipt)) {
            return Err("the receipt hashes differ: this result is not proven".to_owned());
        }
        if self.replayed.get("match") != Some(&Json::Bool(true)) {
            return Err("the hashes are equal, but the second run's answer says that it differs".to_owned());
        }
        println!("All three are equal: the payment was released for exactly what a second run computes.");
        Ok(())
    }

    fn print_outputs(&self) -> Result<(), String> {
        let outputs = self.job.list("outputs")?;
        println!("\noutputs");
        for output in outputs {
            let (path, kind) = (output.text("path")?, output.text("kind")?);
            let size = format!("{} bytes", output.text("size")?);
            println!("  {path:<28}{size:>14}  {kind}");
        }
        println!("  and {} withheld by the policy", self.job.text("withheld")?);
        let file = outputs.iter().find(|output| output.text("kind").is_ok_and(|kind| kind == "file"));
        let path = file.ok_or("no file was handed out")?.text("path")?;
        println!("\nfirst lines of {path}");
        for line in first_lines(&self.root.join("demo/out/outputs").join(path))? {
            println!("  {line}");
        }
        Ok(())
    }

    fn print_tiers(&self) -> Result<(), String> {
        println!("\nverification: {}", self.verified.text("verdict")?);
        for tier in self.verified.list("tiers")? {
            println!("  {:<28}{}", tier.text("tier")?, tier.text("result")?);
        }
        Ok(())
    }

    /// The chain ends with the demo, so what is offered does without it.
    fn print_next(&self) {
        println!(
            "
The chain and the provider are stopped; what they left is in demo/. To look at next:
  demo/out/receipt.json      the receipt
  demo/out/outputs/          the results
  demo/brizo.toml            what a provider configures
  demo/policy/manifest.toml  what the data owner allows, and asks for
  demo/job.toml              what the consumer ordered
  demo/provider.log          what the provider did
Verify the receipt yourself, in the repository's folder:
  {} verify demo/out/receipt.json --outputs demo/out/outputs --run-key demo/out/run.key",
            self.program.strip_prefix(&self.root).unwrap_or(&self.program).display()
        );
    }
}

fn first_lines(file: &Path) -> Result<Vec<String>, String> {
    let text = fs::read(file).map_err(|cause| format!("cannot read {} ({cause})", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().take(LINES_SHOWN).map(|line| line.chars().take(110).collect()).collect())
}

/// `1000000000000000` is `1000000000000000 wei (0.001 ETH)`.
fn ether(wei: &str) -> String {
    let Ok(amount) = wei.parse::<u128>() else { return format!("{wei} wei") };
    const WEI_PER_ETHER: u128 = 10_u128.pow(18);
    let fraction = format!("{:018}", amount % WEI_PER_ETHER);
    let amount = format!("{}.{fraction}", amount / WEI_PER_ETHER);
    format!("{wei} wei ({} ETH)", amount.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wei_become_ether() {
        assert_eq!(ether("1000000000000000"), "1000000000000000 wei (0.001 ETH)");
        assert_eq!(ether("0"), "0 wei (0 ETH)");
        assert_eq!(ether("20000000000000000000"), "20000000000000000000 wei (20 ETH)");
        assert_eq!(ether("1000000000000000001"), "1000000000000000001 wei (1.000000000000000001 ETH)");
        assert_eq!(ether("many"), "many wei");
    }
}
