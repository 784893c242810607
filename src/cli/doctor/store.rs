//! What `brizo doctor` says of the database and of the bytes of its rows.

use std::path::Path;

use serde_json::Value;

use crate::config::{Config, Finding};
use crate::container;
use crate::data::BlobStore;
use crate::ids::Did;
use crate::job::{State, read_offer, read_previous};
use crate::sandbox::{Kind, profile_digest_for};
use crate::store::Store;

/// The database, and whether the bytes of its rows are there.
pub(super) fn looked_at(config: &Config) -> Vec<Finding> {
    let path = config.data_dir.join("brizo.db");
    if !path.is_file() {
        return vec![Finding::warn("store", "there is no database yet", "`brizo publish` makes it")];
    }
    let seen = match Store::examine(&path) {
        Ok(seen) => seen,
        Err(error) => {
            return vec![Finding::fail("store", error.to_string(), "put a backup in its place")];
        }
    };
    if seen.integrity != "ok" {
        let mend = "stop the provider and put a backup in its place; keep the damaged one";
        return vec![Finding::fail("store", seen.integrity, mend)];
    }
    if seen.schema > seen.newest {
        let text = format!("the schema is version {}, this program knows {}", seen.schema, seen.newest);
        return vec![Finding::fail("store", text, "use the newer release that made it")];
    }
    if seen.schema < seen.newest {
        let text =
            format!("the schema is version {}; the next start brings it to {}", seen.schema, seen.newest);
        return vec![Finding::warn("store", text, "make a backup first; an older release cannot go back")];
    }
    let mut findings = vec![Finding::ok("store", format!("whole, schema {}", seen.schema))];
    findings.push(blobs(config, &path));
    findings.extend(profiles(&path));
    findings.extend(put_aside(&path));
    findings
}

/// Jobs that wait for the publisher's word.
fn put_aside(database: &Path) -> Option<Finding> {
    let jobs = Store::open_as_it_is(database).and_then(|store| store.queue()).ok()?;
    let count = jobs.iter().filter(|job| job.state == State::Quarantined).count();
    (count > 0).then(|| {
        let mend = "`brizo queue list` says why; then `brizo queue retry JOB` or `brizo queue end JOB`";
        Finding::warn("queue", format!("{count} jobs were put aside"), mend)
    })
}

fn blobs(config: &Config, database: &Path) -> Finding {
    let needed = Store::open_as_it_is(database).and_then(|store| store.blobs_needed());
    let (needed, blobs) = match (needed, BlobStore::open(&config.data_dir.join("blobs"))) {
        (Ok(needed), Ok(blobs)) => (needed, blobs),
        (Err(error), _) => return Finding::fail("blobs", error.to_string(), "put a backup in its place"),
        (_, Err(error)) => return Finding::fail("blobs", format!("{error:#}"), "mend the disk"),
    };
    let missing = needed.iter().filter(|digest| !blobs.contains(**digest)).count();
    match missing {
        0 => Finding::ok("blobs", format!("all {} are there", needed.len())),
        _ => Finding::fail(
            "blobs",
            format!("{missing} of {} are missing", needed.len()),
            "copy them from a backup's blobs/, or publish the data set again",
        ),
    }
}

/// Data sets whose documents offer runs under a profile of another release: an order for that is refused.
fn profiles(database: &Path) -> Vec<Finding> {
    let Ok(datasets) = Store::open_as_it_is(database).and_then(|store| store.datasets()) else {
        return Vec::new();
    };
    let ddos = datasets.iter().filter_map(|it| Some((it.did, serde_json::from_str(&it.ddo).ok()?)));
    let [no_run, no_module, no_component] = offered_otherwise(&ddos.collect::<Vec<_>>());
    let finding = |others: Vec<Did>, what: &str| {
        let names: Vec<_> = others.iter().map(Did::to_string).collect();
        let text = format!(
            "offered under a profile that this release does not have, so that {what}: {}",
            names.join(", ")
        );
        let mend = "publish them again, with `--replaces` and the DID";
        (!names.is_empty()).then(|| Finding::warn("profiles", text, mend))
    };
    let found = [
        finding(no_run, "no run can be ordered"),
        finding(no_module, "no module can be ordered"),
        finding(no_component, "no component can be ordered"),
    ];
    found.into_iter().flatten().collect()
}

/// Those over which nothing can be run, no module, and no component, but for the ones that a newer version has replaced already.
fn offered_otherwise(ddos: &[(Did, Value)]) -> [Vec<Did>; 3] {
    let replaced: Vec<_> = ddos.iter().filter_map(|(_, ddo)| read_previous(ddo)).collect();
    let mut others = [const { Vec::new() }; 3];
    for (did, ddo) in ddos.iter().filter(|(did, _)| !replaced.contains(did)) {
        let Ok(offer) = read_offer(ddo) else { continue };
        let ours = [profile_digest_for(Kind::Core), container::profile_digest()].contains(&offer.profile);
        let component = offer.component_profile.map(|it| it == profile_digest_for(Kind::Component));
        match (ours, component) {
            (true, None | Some(true)) => {}
            (false, None | Some(false)) => others[0].push(*did),
            (false, Some(true)) => others[1].push(*did),
            (true, Some(false)) => others[2].push(*did),
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use brizo_receipt::B256;

    use super::*;

    #[test]
    fn only_what_no_newer_version_has_replaced_is_named() {
        let did = |number| Did(B256::repeat_byte(number));
        let document = |profile: B256, component: Option<B256>, previous: Option<Did>| {
            let zero = brizo_receipt::Address::ZERO;
            let offer = serde_json::json!({
                "publisher": zero, "chainId": 1, "serviceAgreement": zero, "profile": profile, "componentProfile": component,
                "inputsRoot": B256::ZERO,
                "terms": {"token": zero, "price": "1", "base": "1", "fuelPrice": "0", "outputPrice": "0"},
                "lockTimeoutS": 0, "grantTimeoutS": 60,
                "ceilings": {"fuel": 1, "memoryBytes": 1, "outputBytes": 1, "outputFiles": 1, "algorithmBytes": 1},
            });
            let metadata = serde_json::json!({"base": {"previousVersion": previous}});
            serde_json::json!({"service": [
                {"type": "Computing", "brizo": offer}, {"type": "Metadata", "metadata": metadata},
            ]})
        };
        let (old, ours) = (B256::repeat_byte(1), profile_digest_for(Kind::Core));
        let component = profile_digest_for(Kind::Component);
        assert_eq!(read_offer(&document(old, None, None)).map(|offer| offer.profile), Ok(old));
        let ddos = [
            (did(1), document(old, None, None)),
            (did(2), document(ours, Some(component), Some(did(1)))),
            (did(3), document(old, Some(component), None)),
            (did(4), document(ours, None, None)),
            (did(5), serde_json::json!({})),
            (did(6), document(container::profile_digest(), None, None)),
            (did(7), document(ours, Some(old), None)),
            (did(8), document(component, None, None)),
            (did(9), document(old, Some(old), None)),
        ];
        assert_eq!(offered_otherwise(&ddos), [vec![did(8), did(9)], vec![did(3)], vec![did(7)]]);
    }
}
