//! Rust types of the contracts, made from the ABI files that are checked in (`contracts/abi`).

#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::too_many_arguments)]

use alloy::sol;

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    ServiceAgreement,
    "contracts/abi/ServiceAgreement.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    ComputeConditions,
    "contracts/abi/ComputeConditions.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    PaymentConditions,
    "contracts/abi/PaymentConditions.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    AccessConditions,
    "contracts/abi/AccessConditions.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    DIDRegistry,
    "contracts/abi/DIDRegistry.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    DisputeConditions,
    "contracts/abi/DisputeConditions.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    TestToken,
    "contracts/abi/TestToken.json"
);

pub(super) mod eip712 {
    alloy::sol! {
        /// What the consumer signs to enter an agreement.
        struct Agreement {
            bytes32 serviceAgreementId;
            bytes32 templateId;
            bytes32 did;
            address publisher;
            address consumer;
            bytes32[] conditionKeys;
            bytes32[] valueHashes;
            uint256[] timeouts;
        }
    }
}
