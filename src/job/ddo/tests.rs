//! DDOs: what is made passes, and everything that can be spoilt is found.

use alloy_primitives::U256;
use serde_json::{Value, json};

use super::*;

fn offer() -> ComputeOffer {
    ComputeOffer {
        publisher: Address::repeat_byte(1),
        chain_id: 1,
        service_agreement: Address::repeat_byte(2),
        profile: B256::repeat_byte(3),
        component_profile: None,
        inputs_root: B256::repeat_byte(4),
        terms: Terms {
            token: Address::ZERO,
            price: U256::from(5),
            base: U256::ZERO,
            fuel_price: U256::ZERO,
            output_price: U256::ZERO,
        },
        lock_timeout_s: 0,
        grant_timeout_s: 60,
        release_timeout_s: 60,
        ceilings: OfferedCeilings {
            fuel: 1,
            memory_bytes: 1,
            output_bytes: 1,
            output_files: 1,
            algorithm_bytes: 1,
        },
        log_key: None,
    }
}

fn document(version: Version, mock: Option<OfferedMock>) -> Value {
    let condition = |name, key, needs| Condition {
        name,
        contract: "PaymentConditions",
        key: B256::repeat_byte(key),
        timeout_s: 0,
        needs,
        event: ("PaymentLocked", "publisher", "compute.authorizeComputation"),
    };
    let mut conditions = vec![condition("lockPayment", 10, vec![])];
    for (key, name) in (11..).zip(["a", "b", "c"]) {
        conditions.push(condition(name, key, vec![(0, 0)]));
    }
    conditions.push(condition("releasePayment", 14, vec![(1, 0)]));
    ddo(&DdoParts {
        did: Did(B256::repeat_byte(9)),
        name: "Penguins",
        description: "",
        public_url: "https://brizo.example",
        template_id: B256::repeat_byte(8),
        conditions: &conditions,
        flavour: "wasi/wasmtime:48",
        offer: &offer(),
        size: (1, 2),
        version,
        mock,
    })
}

const FIRST: Version = Version { number: 1, previous: None };

#[test]
fn what_is_made_is_a_good_ddo() {
    let good = document(FIRST, None);
    assert_eq!(check_ddo(&good), [""; 0]);
    assert_eq!(read_offer(&good).unwrap(), offer());
    assert_eq!(read_version(&good), 1);
    let mock = OfferedMock { digest: B256::repeat_byte(7), bytes: 10, files: 1 };
    let second = document(Version { number: 2, previous: Some(Did(B256::repeat_byte(5))) }, Some(mock));
    assert_eq!(check_ddo(&second), [""; 0]);
    assert_eq!(read_version(&second), 2);
    assert_eq!((read_previous(&good), read_previous(&second)), (None, Some(Did(B256::repeat_byte(5)))));
    let base = &second["service"][1]["metadata"]["base"];
    assert_eq!(base["previousVersion"], json!(Did(B256::repeat_byte(5))));
    let url = format!("https://brizo.example/api/v1/assets/{}/mock", Did(B256::repeat_byte(9)));
    assert_eq!(base["mock"]["url"], url);
    assert_eq!(read_version(&json!({})), 1);
}

#[test]
fn everything_that_is_spoilt_is_found() {
    let table = [
        ("/@context", Value::Null, "@context"),
        ("/id", json!("did:op:12"), "id"),
        ("/service", json!([]), "type Computing"),
        ("/service/1/type", json!("Computing"), "exactly one of type Computing"),
        ("/service/1/serviceDefinitionId", json!("0"), "serviceDefinitionId"),
        ("/service/0/serviceEndpoint", json!("/exec"), "serviceEndpoint"),
        ("/service/0/initializeEndpoint", json!("ftp://x/y"), "initializeEndpoint"),
        ("/service/0/templateId", json!("044852b2"), "templateId"),
        ("/service/0/serviceAgreementContract/contractName", Value::Null, "contractName"),
        ("/service/0/conditions", json!([]), "conditions are none"),
        // What the seeds' own sample does.
        ("/service/0/conditions/1/index", json!(0), "conditions[1].index"),
        ("/service/0/conditions/1/conditionKey", json!(B256::repeat_byte(10)), "conditions[1].conditionKey"),
        ("/service/0/conditions/1/dependencies/0/name", json!("grantAccess"), "not listed"),
        ("/service/0/conditions/4/parameters/1/type", json!("uint"), "conditions[4].parameters.price"),
        ("/service/0/conditions/0/parameters/1/value", json!("-1"), "conditions[0].parameters.price"),
        ("/service/0/conditions/0/name", json!("a"), "names of their own"),
        ("/service/0/conditions/0/timeout", json!("0"), "conditions[0].timeout"),
        ("/service/0/conditions/0/functionName", Value::Null, "conditions[0].functionName"),
        ("/service/0/conditions/4/isTerminalCondition", json!(0), "none that is terminal"),
        ("/service/0/conditions/0/events/0/actorType", json!("nobody"), "conditions[0].events"),
        ("/service/0/conditions/0/events/0/handler", json!({}), "conditions[0].events"),
        ("/service/0/brizo/chainId", json!("one"), "brizo"),
        ("/service/1/metadata/base/type", json!("algorithm"), "metadata.base.type"),
        ("/service/1/metadata/base/name", Value::Null, "metadata.base.name"),
    ];
    for (place, value, expected) in table {
        let mut spoilt = document(FIRST, None);
        *spoilt.pointer_mut(place).unwrap_or_else(|| panic!("nothing at {place}")) = value;
        let wrong = check_ddo(&spoilt);
        assert!(wrong.iter().any(|text| text.contains(expected)), "{place}: {wrong:?}");
    }
    assert!(!check_ddo(&json!([])).is_empty());
}
