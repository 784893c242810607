//! Several nodes: the first that works is asked, and one of another chain never.

use brizo::chain::{Chain, Error, deploy};

use super::{Line, amount};
use crate::world::{Anvil, Fault, Proxy, key};

#[tokio::test(flavor = "multi_thread")]
async fn the_next_node_answers_when_one_fails() {
    let line = Line::start().await;
    let (first, second) = (Proxy::start(line.anvil.url()).await, Proxy::start(line.anvil.url()).await);
    let rpc = format!("{}, {}", first.url(), second.url());
    let chain = Chain::connect(&rpc, line.deployment.clone(), Some(&Line::key())).unwrap();
    chain.check().await.unwrap();
    first.set(Fault::Down);
    for number in 1..=3 {
        chain.mint_test_token(line.token(), Line::account(number), amount(5)).await.unwrap();
    }
    second.set(Fault::Down);
    let error = chain.block_number().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable(_)), "{error}");
    assert!(error.to_string().matches("127.0.0.1").count() >= 2, "names both: {error}");
    first.set(Fault::None);
    assert!(
        chain.block_number().await.is_ok(),
        "one that failed a moment ago is still asked when there is no other"
    );
}

/// The answer to a transaction is lost: it is in the chain, and is not sent a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_no_second_transaction() {
    let line = Line::start().await;
    let (first, before) = (Proxy::start(line.anvil.url()).await, line.counts().await.0);
    let rpc = format!("{},{}", first.url(), line.anvil.url());
    let chain = Chain::connect(&rpc, line.deployment.clone(), Some(&Line::key())).unwrap();
    first.set(Fault::LoseAnswerOf(1));
    chain.mint_test_token(line.token(), Line::account(1), amount(5)).await.unwrap();
    assert_eq!((line.tokens(Line::account(1)).await, line.counts().await.0), (5, before + 1));
}

/// A node that refuses a transaction and is gone: what is not followed keeps no nonce, so it holds up nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_by_a_node_that_is_gone_holds_up_nothing() {
    let line = Line::start().await;
    let (proxy, before) = (Proxy::start(line.anvil.url()).await, line.counts().await.0);
    let rows = std::sync::Arc::new(brizo::worker::ChainRows(line.store.clone()));
    let chain = Chain::connect(proxy.url(), line.deployment.clone(), Some(&Line::key()))
        .unwrap()
        .with_journal(line.sending, rows)
        .unwrap();
    chain.check().await.unwrap();
    proxy.set(Fault::RefuseTransaction);
    let error = chain.mint_test_token(line.token(), Line::account(1), amount(5)).await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "{error}");
    assert!(proxy.is_down() && line.journal().is_empty(), "it is not followed");
    proxy.set(Fault::None);
    chain.mint_test_token(line.token(), Line::account(2), amount(5)).await.unwrap();
    assert_eq!((line.tokens(Line::account(1)).await, line.tokens(Line::account(2)).await), (0, 5));
    assert_eq!((line.counts().await.0, line.journal().len()), (before + 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_is_passed_over() {
    let (line, other) = (Line::start().await, Anvil::start_as(1337));
    // The same contracts at the same addresses, so that every question would be answered.
    assert_eq!(
        deploy(other.url(), &key(super::KEY), true).await.unwrap().payment_conditions,
        line.deployment.payment_conditions
    );
    let connect = |rpc: &str| Chain::connect(rpc, line.deployment.clone(), Some(&Line::key())).unwrap();
    let chain = connect(&format!("{},{}", other.url(), line.anvil.url()));
    chain.check().await.unwrap();
    chain.mint_test_token(line.token(), Line::account(1), amount(5)).await.unwrap();
    assert_eq!(line.tokens(Line::account(1)).await, 5);
    let error = connect(other.url()).check().await.unwrap_err();
    assert!(matches!(&error, Error::Mismatch(text) if text.contains("1337")), "{error}");
}
