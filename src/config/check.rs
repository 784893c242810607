//! Looking at a configuration without a chain and without changing anything.

use std::path::Path;

use serde::Serialize;

use super::{CONCURRENCY_MAX, Config, Error, read_deployment, read_key, read_runtime, strangers};

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works now, but somebody should look at it.
    Warn,
    /// Does not work.
    Fail,
}

impl Level {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of a report: what was looked at, how it is, and how to mend it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// How to mend it; empty where nothing is to be done.
    pub mend: String,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, text: text.into(), mend: String::new() }
    }

    /// Works, but somebody should look at it.
    #[must_use]
    pub fn warn(name: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, level: Level::Warn, text: text.into(), mend: mend.into() }
    }

    /// Does not work.
    #[must_use]
    pub fn fail(name: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, level: Level::Fail, text: text.into(), mend: mend.into() }
    }
}

/// Looks at a file of configuration and at the files that it names. The configuration itself where it can be read.
#[must_use]
pub fn check(path: &Path) -> (Option<Config>, Vec<Finding>) {
    let mut findings: Vec<Finding> = strangers()
        .into_iter()
        .map(|text| Finding::warn("environment", text, "unset it, or correct its name"))
        .collect();
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            let mend = "packaging/brizo.toml explains every key; `brizo config example` prints it";
            findings.push(Finding::fail("config", words(&error), mend));
            return (None, findings);
        }
    };
    findings.push(Finding::ok("config", path.display().to_string()));
    findings.extend(values(&config));
    findings.push(match read_key(&config.key_file) {
        Ok(key) => Finding::ok("key", format!("publisher {}", key.address())),
        Err(error) => Finding::fail(
            "key",
            words(&error),
            match config.key_file.exists() {
                true => {
                    "keep it, another key owns none of your data sets; a keystore needs its password in the file that \
                     BRIZO_KEY_PASSWORD_FILE names, and only its owner may read it (chmod 600)"
                }
                false => "name the file in key_file; `brizo key new FILE` makes one",
            },
        ),
    });
    findings.push(match read_deployment(&config.deployment) {
        Ok(deployment) => Finding::ok("deployment", format!("chain {}", deployment.chain_id)),
        Err(error) => {
            Finding::fail("deployment", words(&error), "`brizo contracts deploy --out FILE` writes it")
        }
    });
    for runtime in &config.runtimes {
        findings.push(match read_runtime(runtime) {
            Ok(read) => Finding::ok("runtime", read.name),
            Err(error) => Finding::fail("runtime", words(&error), "examples/runtimes/ has a description"),
        });
    }
    (Some(config), findings)
}

/// Values that can be read and cannot be meant.
fn values(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let nodes = config.rpc.split(',').map(|url| ("rpc", url.trim()));
    let collector = config.telemetry.endpoint.as_deref().map(|url| ("telemetry.endpoint", url));
    for (name, url) in [("public_url", config.public_url.as_str())].into_iter().chain(nodes).chain(collector)
    {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let text = format!("{name} does not begin with http:// or https://");
            findings.push(Finding::fail(name, text, "write the whole URL"));
        }
    }
    if config.public_url.starts_with("http://") && !is_local(&config.public_url) {
        let text = "public_url is plain HTTP: data and signatures travel readable";
        findings.push(Finding::warn("public_url", text, "put a proxy with TLS before the provider"));
    }
    if config.concurrency > CONCURRENCY_MAX {
        let text = format!("concurrency is {}, and {CONCURRENCY_MAX} counts", config.concurrency);
        let mend = format!("set it to {CONCURRENCY_MAX} or less, or to 0 for one on each core");
        findings.push(Finding::warn("concurrency", text, mend));
    }
    if !(0.0..=1.0).contains(&config.data.verify_rate) {
        let text = format!("data.verify_rate is {}", config.data.verify_rate);
        findings.push(Finding::fail("data.verify_rate", text, "set it from 0 to 1"));
    }
    if !(0.0..=1.0).contains(&config.telemetry.sample_ratio) {
        let text = format!("telemetry.sample_ratio is {}", config.telemetry.sample_ratio);
        findings.push(Finding::fail("telemetry.sample_ratio", text, "set it from 0 to 1"));
    }
    if config.metrics.listen == Some(config.listen) {
        let text = "metrics.listen and listen are one address";
        findings.push(Finding::fail("metrics.listen", text, "give the numbers an address of their own"));
    }
    findings
}

fn is_local(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// An error with its cause, on one line.
fn words(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_found_in_one_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.toml");
        let text = "data_dir = \"state\"\nlisten = \"127.0.0.1:1\"\npublic_url = \"http://far.example\"\nrpc = \"node\"\n\
                    deployment = \"none.json\"\nkey_file = \"none.key\"\nconcurrency = 65\n[metrics]\nlisten = \"127.0.0.1:1\"\n\
                    [data]\nverify_rate = 2.0\n\
                    [telemetry]\nendpoint = \"collector:4318\"\nsample_ratio = -0.5\n";
        std::fs::write(&path, text).unwrap();
        let (config, findings) = check(&path);
        assert!(config.is_some());
        let bad: Vec<_> =
            findings.iter().filter(|f| f.level > Level::Ok && f.name != "environment").collect();
        assert!(bad.iter().all(|finding| !finding.mend.is_empty()), "{bad:?}");
        let names: Vec<_> = bad.iter().map(|finding| (finding.name, finding.level.word())).collect();
        let expected = [
            ("rpc", "fail"),
            ("telemetry.endpoint", "fail"),
            ("public_url", "warn"),
            ("concurrency", "warn"),
            ("data.verify_rate", "fail"),
            ("telemetry.sample_ratio", "fail"),
            ("metrics.listen", "fail"),
            ("key", "fail"),
            ("deployment", "fail"),
        ];
        assert_eq!(names, expected);
        std::fs::write(&path, "listen = 5").unwrap();
        assert!(check(&path).0.is_none());
    }
}
