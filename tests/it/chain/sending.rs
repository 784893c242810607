//! Transactions: each mined once, whatever happens to it on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use brizo::chain::{Error, Sending};
use brizo::ids::AgreementId;
use serde_json::json;

use super::{KEY, Line, amount, word};
use crate::world::{eventually, key};

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_have_nonces_without_gaps() {
    let line = Line::start().await;
    let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
    line.anvil.mine_at_once(false).await;
    let sends: Vec<_> = (1..=20)
        .map(|number| {
            let chain = chain.clone();
            tokio::spawn(async move { chain.mint_test_token(token, Line::account(number), amount(5)).await })
        })
        .collect();
    eventually("all wait", async || line.counts().await.1 == before + 20).await;
    assert_eq!(line.journal().len(), 20);
    line.anvil.mine_at_once(true).await;
    let mut hashes = BTreeSet::new();
    for send in sends {
        hashes.insert(send.await.unwrap().unwrap().tx);
    }
    assert_eq!(hashes.len(), 20);
    for number in 1..=20 {
        assert_eq!(line.tokens(Line::account(number)).await, 5);
    }
    eventually("the journal is empty", async || line.journal().is_empty()).await;
    assert_eq!(line.counts().await, (before + 20, before + 20));
}

/// One thread, so that who asks for the same has asked before the node's answer about mining is read.
#[tokio::test]
async fn the_same_call_is_sent_once_while_it_is_on_its_way() {
    let line = Line::start().await;
    let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
    line.anvil.mine_at_once(false).await;
    let send = || {
        let chain = chain.clone();
        tokio::spawn(async move { chain.mint_test_token(token, Line::account(1), amount(5)).await.unwrap() })
    };
    let (first, second) = (send(), send());
    eventually("it waits", async || line.counts().await.1 == before + 1).await;
    let third = send();
    line.anvil.mine_at_once(true).await;
    let mined = [first.await.unwrap(), second.await.unwrap(), third.await.unwrap()];
    assert!(mined.iter().all(|one| one == &mined[0]), "{mined:?}");
    assert_eq!((line.tokens(Line::account(1)).await, line.counts().await.0), (5, before + 1));
    // It has landed, so asking again is another one.
    chain.mint_test_token(token, Line::account(1), amount(5)).await.unwrap();
    assert_eq!(line.tokens(Line::account(1)).await, 10);
}

/// On a busy provider something else is always on its way.
#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_waits_for_no_other_transaction_than_an_anchor() {
    let mut line = Line::start().await;
    // Two follow the same, and neither is to offer more.
    line.sending.bump_after = Duration::from_secs(600);
    let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
    line.anvil.mine_at_once(false).await;
    let other = chain.clone();
    let other = tokio::spawn(async move { other.mint_test_token(token, Line::account(1), amount(5)).await });
    eventually("it waits", async || line.counts().await.1 == before + 1).await;
    assert!(chain.has_pending().await.unwrap() && !chain.is_anchoring().await);
    let tree = brizo_receipt::log::Tree { size: 1, root: word(7) };
    let anchor = {
        let chain = chain.clone();
        tokio::spawn(async move { chain.anchor_log(&tree).await })
    };
    eventually("the anchor waits", async || line.counts().await.1 == before + 2).await;
    eventually("and is known to", async || chain.is_anchoring().await).await;
    // So is a call about an agreement, whose id is a word of it; others that wait do not count.
    let [about, other_one] = [word(7), word(8)].map(AgreementId);
    assert!(chain.is_settling(about).await && !chain.is_settling(other_one).await);
    // A process that follows it on knows it as well.
    let next = line.chain();
    next.resume().await.unwrap();
    assert!(next.is_anchoring().await && next.is_settling(about).await);
    line.anvil.mine_at_once(true).await;
    other.await.unwrap().unwrap();
    anchor.await.unwrap().unwrap();
    assert!(!chain.is_anchoring().await && !chain.is_settling(about).await);
    assert_eq!(chain.anchor_of(chain.sender()).await.unwrap().map(|anchor| anchor.tree), Some(tree));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_transaction_offers_more_until_it_is_mined() {
    let line = Line::start().await;
    let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
    line.anvil.mine_at_once(false).await;
    let send = tokio::spawn(async move { chain.mint_test_token(token, Line::account(1), amount(5)).await });
    // Written down first, and sent then.
    eventually("it waits", async || line.counts().await.1 == before + 1).await;
    let first: serde_json::Value = serde_json::from_str(&line.journal()[0]).unwrap();
    // Blocks cost a thousand times more from now on, and this one takes nothing.
    let fee = first["fees"]["max"].as_u64().unwrap() * 1_000;
    line.anvil.ask("anvil_setNextBlockBaseFeePerGas", json!([format!("{fee:#x}")])).await;
    line.anvil.ask("evm_mine", json!([])).await;
    assert_eq!(line.counts().await.0, before, "it does not pay enough");
    let offers = async || {
        let journal = line.journal();
        let Some(text) = journal.first() else { return 0 };
        let sent: serde_json::Value = serde_json::from_str(text).unwrap();
        sent["fees"]["max"].as_u64().unwrap()
    };
    eventually("it offers enough", async || offers().await > fee / 2).await;
    line.anvil.mine_at_once(true).await;
    let mined = send.await.unwrap().unwrap();
    assert_ne!(json!(mined.tx), first["hashes"][0], "another form of it was mined");
    assert_eq!((line.tokens(Line::account(1)).await, line.counts().await.0), (5, before + 1));
}

/// What the account cannot pay is refused, and what it could pay before is repeated on.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_refused_does_not_replace_the_one_before() {
    let mut line = Line::start().await;
    // Not before the account has too little for it.
    line.sending.bump_after = Duration::from_secs(5);
    let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
    let sender = chain.sender();
    line.anvil.mine_at_once(false).await;
    let send = tokio::spawn(async move { chain.mint_test_token(token, Line::account(1), amount(5)).await });
    eventually("it waits", async || line.counts().await.1 == before + 1).await;
    let first: serde_json::Value = serde_json::from_str(&line.journal()[0]).unwrap();
    // The account has enough for what it has offered, and no more.
    let (fee, gas) = (first["fees"]["max"].as_u64().unwrap(), first["gas"].as_u64().unwrap());
    line.anvil.ask("anvil_setBalance", json!([sender, format!("{:#x}", fee * gas + 1)])).await;
    // What was refused stands before what was taken.
    let is_refused = |sent: &serde_json::Value| sent["hashes"][1] == first["hashes"][0];
    eventually("more is offered, and refused", async || {
        is_refused(&serde_json::from_str(&line.journal()[0]).unwrap())
    })
    .await;
    for _ in 0..5 {
        line.anvil.ask("anvil_dropTransaction", json!([first["hashes"][0]])).await;
        eventually("it is repeated", async || line.counts().await.1 == before + 1).await;
    }
    let now: serde_json::Value = serde_json::from_str(&line.journal()[0]).unwrap();
    assert_eq!(now["fees"], first["fees"]);
    assert_eq!(now["hashes"].as_array().unwrap().last(), first["hashes"].as_array().unwrap().last());
    line.anvil.ask("anvil_setBalance", json!([sender, "0xde0b6b3a7640000"])).await;
    line.anvil.mine_at_once(true).await;
    send.await.unwrap().unwrap();
    assert_eq!(line.counts().await.0, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_offered_than_allowed() {
    let mut line = Line::start().await;
    line.sending = Sending { fee_max: Some(2_500_000_000), ..line.sending };
    let (chain, token) = (line.chain(), line.token());
    // Ten gwei.
    line.anvil.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x2540be400"])).await;
    line.anvil.ask("evm_mine", json!([])).await;
    let send = async || chain.mint_test_token(token, Line::account(1), amount(5)).await;
    let error = send().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "{error}");
    assert!(line.journal().is_empty(), "what was not taken is not followed");
    // Base fees fall by an eighth with each empty block.
    for _ in 0..20 {
        line.anvil.ask("evm_mine", json!([])).await;
    }
    let mined = send().await.unwrap();
    let sent = line.anvil.ask("eth_getTransactionByHash", json!([mined.tx])).await;
    let fee =
        u64::from_str_radix(sent["maxFeePerGas"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(fee <= 2_500_000_000, "{fee}");
    assert_eq!(line.tokens(Line::account(1)).await, 5);
}

/// The process is gone while a transaction waits, and the node forgets it: the next process sends it again.
#[test]
fn a_new_process_follows_what_the_old_one_sent() {
    let first = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (line, before, hash) = first.block_on(async {
        let mut line = Line::start().await;
        // What the first process offers is what the node forgets.
        line.sending.bump_after = Duration::from_secs(600);
        let (chain, token, (before, _)) = (line.chain(), line.token(), line.counts().await);
        line.anvil.mine_at_once(false).await;
        tokio::spawn(async move { chain.mint_test_token(token, Line::account(1), amount(5)).await });
        eventually("it waits", async || line.counts().await.1 == before + 1).await;
        let sent: serde_json::Value = serde_json::from_str(&line.journal()[0]).unwrap();
        (line, before, sent["hashes"][0].clone())
    });
    first.shutdown_timeout(Duration::ZERO);
    // One thread, so that who asks for the same has asked before the node's answer about mining is read.
    let second = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    second.block_on(async {
        line.anvil.ask("anvil_dropTransaction", json!([hash])).await;
        assert_eq!(line.counts().await.1, before, "the node has forgotten it");
        let chain = line.chain();
        assert_eq!(chain.resume().await.unwrap(), 1);
        eventually("it is sent again", async || line.counts().await.1 == before + 1).await;
        // The outbox asks for the same again, and waits for the one that is on its way.
        let (again, token) = (chain.clone(), line.token());
        let again =
            tokio::spawn(async move { again.mint_test_token(token, Line::account(1), amount(5)).await });
        line.anvil.mine_at_once(true).await;
        again.await.unwrap().unwrap();
        eventually("the journal is empty", async || line.journal().is_empty()).await;
        assert_eq!((line.tokens(Line::account(1)).await, line.counts().await.0), (5, before + 1));
        assert_eq!(line.chain().resume().await.unwrap(), 0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_with_one_key_both_get_through() {
    let line = Line::start().await;
    let (token, (before, _)) = (line.token(), line.counts().await);
    let chains = [line.chain(), line.plain_chain()];
    let sends: Vec<_> = (1..=16u8)
        .map(|number| {
            let chain = chains[usize::from(number % 2)].clone();
            tokio::spawn(async move {
                // Overtaken for good is an answer too: whoever asks does it again.
                loop {
                    match chain.mint_test_token(token, Line::account(number), amount(5)).await {
                        Err(Error::Rejected(_)) => {}
                        ended => return ended.map(|_| ()),
                    }
                }
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    for number in 1..=16 {
        assert_eq!(line.tokens(Line::account(number)).await, 5, "account {number}");
    }
    assert_eq!(line.counts().await, (before + 16, before + 16));
}

/// Another program's transaction vanishes below ours: the next call takes its nonce, so that nothing waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_was_lost_below_ours_is_used_again() {
    let line = Line::start().await;
    let (chain, token) = (line.chain(), line.token());
    let (before, _) = line.counts().await;
    line.anvil.mine_at_once(false).await;
    // By the node itself: a sender of ours would follow it, and send it again when it is lost.
    let own = key(KEY).address();
    let lost = json!([{ "from": own, "to": own, "value": "0x1" }]);
    let hash = line.anvil.ask("eth_sendTransaction", lost).await;
    eventually("the other's waits", async || line.counts().await.1 == before + 1).await;
    let send = |number: u8| {
        let chain = chain.clone();
        tokio::spawn(async move { chain.mint_test_token(token, Line::account(number), amount(5)).await })
    };
    let second = send(2);
    eventually("ours waits", async || line.counts().await.1 == before + 2).await;
    line.anvil.ask("anvil_dropTransaction", json!([hash])).await;
    let third = send(3);
    eventually("the gap is filled", async || {
        line.journal().len() == 2 && line.counts().await.1 == before + 2
    })
    .await;
    line.anvil.mine_at_once(true).await;
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!((line.tokens(Line::account(2)).await, line.tokens(Line::account(3)).await), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_counts_is_as_deep_as_was_asked_for() {
    let mut line = Line::start().await;
    line.sending = Sending { confirmations: 3, ..line.sending };
    let (chain, token) = (line.chain(), line.token());
    let top = chain.block_number().await.unwrap();
    assert_eq!(chain.settled_block().await.unwrap(), top - 2);
    let send = tokio::spawn(async move { chain.mint_test_token(token, Line::account(1), amount(5)).await });
    eventually("it is mined", async || line.tokens(Line::account(1)).await == 5).await;
    line.anvil.ask("evm_mine", json!([])).await;
    assert!(!send.is_finished() && line.journal().len() == 1, "two blocks are not three");
    line.anvil.ask("evm_mine", json!([])).await;
    assert_eq!(send.await.unwrap().unwrap().block, top + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_refuses_is_not_sent() {
    let line = Line::start().await;
    let (chain, counts) = (line.chain(), line.counts().await);
    let id = AgreementId(word(9));
    let error = chain.grant_access(id, 0, brizo::ids::Did(word(1))).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!((line.counts().await, line.journal().len()), (counts, 0));
}
