//! The demo's folder, and the files that a provider and a consumer would write by hand.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::http::free_ports;

/// Shows that the folder is ours to remove.
const MARKER: &str = ".brizo-demo";

/// The first two test keys of anvil: the same on every machine, known to everybody, worth nothing on a real chain.
const PROVIDER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CONSUMER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// Wei: a thousandth of an ether for a run, more by what it uses, and never above five hundredths.
const PRICE: [(&str, &str); 5] = [
    ("token", "0x0000000000000000000000000000000000000000"),
    ("max", "50000000000000000"),
    ("base", "1000000000000000"),
    ("fuel_per_million", "100000000000"),
    ("output_per_million", "1000000000000"),
];

#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) chain: u16,
    pub(crate) provider: u16,
}

impl Ports {
    pub(crate) fn free() -> Result<Self, String> {
        free_ports().map(|[chain, provider]| Self { chain, provider })
    }

    pub(crate) fn rpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.chain)
    }
}

#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// An empty `demo/`. What an earlier demo left there is removed; anything else is not.
    pub(crate) fn fresh(root: &Path) -> Result<Self, String> {
        let path = root.join("demo");
        if path.exists() {
            if !path.join(MARKER).is_file() {
                return Err(format!("{} is not from an earlier demo; move it away", path.display()));
            }
            fs::remove_dir_all(&path)
                .map_err(|cause| format!("cannot remove {} ({cause})", path.display()))?;
        }
        fs::create_dir_all(&path).map_err(|cause| format!("cannot make {} ({cause})", path.display()))?;
        let folder = Self { root: root.to_owned(), path };
        folder
            .write(MARKER, "`cargo xtask demo` made this folder, and removes it when it is run again.\n")?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write_keys(&self) -> Result<(), String> {
        println!("        anvil's public test keys: never send anything of worth to their addresses");
        self.write_secret("provider.key", PROVIDER_KEY)?;
        self.write_secret("consumer.key", CONSUMER_KEY)
    }

    pub(crate) fn write_provider_config(&self, ports: &Ports) -> Result<(), String> {
        let (provider, rpc) = (ports.provider, ports.rpc());
        let config = format!(
            r#"data_dir = "state"
listen = "127.0.0.1:{provider}"
public_url = "http://127.0.0.1:{provider}"
rpc = "{rpc}"
deployment = "deployment.json"
key_file = "provider.key"
poll_interval_ms = 200
"#
        );
        self.write("brizo.toml", &config)
    }

    /// The shipped policy, with a price and with one algorithm approved.
    pub(crate) fn write_policy(&self, digest: &str) -> Result<(), String> {
        let shipped = self.root.join("policies/open-statistics");
        let policy = self.path.join("policy");
        let failed = |cause: std::io::Error| format!("cannot copy {} ({cause})", shipped.display());
        fs::create_dir_all(&policy).map_err(failed)?;
        for entry in fs::read_dir(&shipped).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            fs::copy(entry.path(), policy.join(entry.file_name())).map_err(failed)?;
        }
        let manifest = fs::read_to_string(policy.join("manifest.toml")).map_err(failed)?;
        let priced = with_price(&manifest, &PRICE)?;
        let approved = format!("{priced}\n[[algorithms]]\ndigest = \"{digest}\"\nname = \"column-stats\"\n");
        self.write("policy/manifest.toml", &approved)
    }

    pub(crate) fn write_job(&self, ports: &Ports, did: &str) -> Result<(), String> {
        let (provider, rpc, max_price) = (ports.provider, ports.rpc(), PRICE[1].1);
        let job = format!(
            r#"provider = "http://127.0.0.1:{provider}"
rpc = "{rpc}"
deployment = "deployment.json"
key_file = "consumer.key"
did = "{did}"
algorithm = "../examples/target/guests/column_stats.wasm"
args = ["--file", "penguins.csv"]
output = "out"

[limits]
fuel = 200000000
memory_bytes = 67108864
output_bytes = 1048576
output_files = 16

[payment]
max_price = "{max_price}"
"#
        );
        self.write("job.toml", &job)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|cause| format!("cannot write {} ({cause})", path.display()))
    }

    /// A file that only its owner may read.
    fn write_secret(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&path)
            .and_then(|mut file| writeln!(file, "{text}"))
            .map_err(|cause| format!("cannot write {} ({cause})", path.display()))
    }
}

/// A manifest with other values in its table `[price]`; everything else, comments too, stays as it was.
fn with_price(manifest: &str, price: &[(&str, &str)]) -> Result<String, String> {
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    let start = lines.iter().position(|line| line.trim() == "[price]");
    let start = start.ok_or("the shipped policy's manifest has no table [price]")? + 1;
    let length = lines.iter().skip(start).position(|line| line.trim_start().starts_with('['));
    let end = length.map_or(lines.len(), |length| start + length);
    for (key, value) in price {
        let line = lines
            .iter_mut()
            .take(end)
            .skip(start)
            .find(|line| line.split('=').next().is_some_and(|name| name.trim() == *key));
        let line = line.ok_or_else(|| format!("[price] of the shipped policy has no `{key}`"))?;
        *line = format!("{key} = \"{value}\"");
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/open-statistics/manifest.toml");
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_shipped_policy_takes_a_price() {
        let priced = with_price(&shipped(), &PRICE).unwrap();
        assert_eq!(priced.lines().count(), shipped().lines().count());
        let (before, prices) = priced.split_once("[price]").unwrap();
        assert_eq!(
            Some(before),
            shipped().split_once("[price]").map(|(before, _)| before),
            "nothing else changes"
        );
        for (key, value) in PRICE {
            assert!(prices.contains(&format!("\n{key} = \"{value}\"\n")), "{key} in {prices}");
        }
    }

    #[test]
    fn other_tables_keep_their_keys() {
        let priced = with_price("[price]\nbase = \"0\"\n[other]\nbase = \"0\"\n", &[("base", "7")]).unwrap();
        assert_eq!(priced, "[price]\nbase = \"7\"\n[other]\nbase = \"0\"\n");
        assert!(with_price("[price]\n[other]\nbase = \"0\"\n", &[("base", "7")]).is_err());
    }

    #[test]
    fn only_a_folder_of_ours_is_removed() {
        let root = std::env::temp_dir().join(format!("brizo-xtask-folder-{}", std::process::id()));
        fs::create_dir_all(root.join("demo")).unwrap();
        assert!(Folder::fresh(&root).unwrap_err().contains("move it away"));
        fs::write(root.join("demo").join(MARKER), "").unwrap();
        fs::write(root.join("demo/old"), "").unwrap();
        Folder::fresh(&root).unwrap();
        assert!(!root.join("demo/old").exists());
        fs::remove_dir_all(root).unwrap();
    }
}
