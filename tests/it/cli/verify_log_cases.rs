//! Exit codes of verification that are about the transparency log: as in `verify_cases.rs`, both programs have to keep them.

use brizo_receipt::{B256, content_digest};

use super::fake_web::{FakeChain, Says, Server};
use super::verify_cases::{
    Ends, Program, chain_of, check, deployment, frozen, frozen_receipt, number_of_the_did, repository,
};

/// Cases of the tier "log".
pub(crate) fn log(program: Program) {
    let file = frozen("receipt.json");
    let key = frozen("log.key");
    let run = |about: &str, folder: &str, ends: &Ends| {
        let server = Server::start(Says::Files(repository(folder)));
        check(program, about, &[&file, "--log-key", &key, "--log", &server.url], ends)
    };
    run("the log of later", "tests/frozen/1/log", &Ends(0, None, "has the same past"));
    run(
        "a log with another past",
        "tests/frozen/1/fork",
        &Ends(16, Some("equivocation"), "signed or anchored"),
    );
    run("a log that is not there", "tests/frozen/1/outputs", &Ends(3, None, "cannot be compared"));
    let other = frozen("other.key");
    check(
        program,
        "another key",
        &[&file, "--log-key", &other],
        &Ends(15, Some("wrong_log_key"), "key that signed the checkpoint"),
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.json").display().to_string();
    let index = text.find("\"index\": \"").unwrap() + 10;
    std::fs::write(&changed, format!("{}1{}", &text[..index], &text[index + 1..])).unwrap();
    check(
        program,
        "another place",
        &[&changed, "--log-key", &key],
        &Ends(15, Some("log_proof"), "do not lead"),
    );
    check(program, "no key of a log", &[&file, "--log-key", "provider"], &Ends(2, None, "--log-key"));
}

/// The key that a DDO has is taken where none is named, and never instead of one that is.
pub(crate) fn log_key_of_the_ddo(program: Program) {
    let receipt = frozen_receipt();
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (frozen("receipt.json"), std::fs::read_to_string(frozen("log.key")).unwrap());
    let with_key = |key: &str| {
        let text = std::fs::read_to_string(frozen("ddo.json")).unwrap();
        text.replace("\"inputsRoot\"", &format!("\"logKey\": \"{key}\", \"inputsRoot\""))
    };
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = with_key(key.trim());
    let ddo = written("ddo.json", &text);
    let foreign = written("foreign.json", &text.replace("did:op:0d", "did:op:0e"));
    let other =
        written("other.json", &with_key(std::fs::read_to_string(frozen("other.key")).unwrap().trim()));
    let odd = written("odd.json", &with_key("provider"));
    let (good, fork) = ("tests/frozen/1/log", "tests/frozen/1/fork");
    let later = Server::start(Says::Files(repository(good)));
    let fork = Server::start(Says::Files(repository(fork)));
    let (plain, named) = (frozen("ddo.json"), frozen("log.key"));
    let not_compared = "whose DDO that is was not compared with the chain";
    let cases: [(&str, &[&str], Ends); 8] = [
        // Nothing but the receipt says that this is its data set's document, and nobody signed that.
        ("alone", &["--ddo", &ddo], Ends(0, None, not_compared)),
        ("with the log", &["--ddo", &ddo, "--log", &later.url], Ends(3, None, not_compared)),
        (
            "another past",
            &["--ddo", &ddo, "--log", &fork.url],
            Ends(16, Some("equivocation"), "signed or anchored"),
        ),
        ("a DDO without", &["--ddo", &plain, "--log", &later.url], Ends(3, None, "give the log's key")),
        (
            "another key than named",
            &["--ddo", &other, "--log-key", &named],
            Ends(15, Some("wrong_log_key"), "log key in the DDO"),
        ),
        ("a key that did not sign", &["--ddo", &other], Ends(15, Some("wrong_log_key"), "that signed")),
        ("of another data set", &["--ddo", &foreign], Ends(17, Some("wrong_dataset"), "give the log's key")),
        ("no key", &["--ddo", &odd], Ends(1, None, "`logKey`: ")),
    ];
    for (about, args, ends) in &cases {
        check(program, about, &[&[&*file], *args].concat(), ends);
    }
    let deployment = deployment(folder.path(), &receipt.attestation.as_ref().unwrap().domain);
    let anchor: (u64, B256) = serde_json::from_slice(&std::fs::read(frozen("anchor.json")).unwrap()).unwrap();
    let did = number_of_the_did(&receipt);
    for (about, checksum, root, did, ends) in [
        (
            "registered",
            content_digest(text.as_bytes()),
            anchor.1,
            did,
            Ends(0, None, "in the DDO of the agreement, which the registry had"),
        ),
        (
            // Anybody can register a document that repeats a root, and has their own log's key.
            "of somebody else",
            content_digest(text.as_bytes()),
            anchor.1,
            B256::repeat_byte(0xaa),
            Ends(14, Some("wrong_dataset"), "that of the agreement"),
        ),
        (
            "not registered",
            B256::ZERO,
            anchor.1,
            did,
            Ends(14, Some("wrong_dataset"), "the registry when the receipt"),
        ),
        (
            "contradicts its anchor",
            content_digest(text.as_bytes()),
            B256::ZERO,
            did,
            Ends(16, Some("equivocation"), "signed or anchored"),
        ),
    ] {
        let chain = FakeChain { checksum, did, anchors: vec![(anchor.0, root)], ..chain_of(&receipt) };
        let node = Server::start(Says::Chain(Box::new(chain)));
        let args =
            [&*file, "--rpc", &node.url, "--deployment", &deployment, "--ddo", &ddo, "--log", &later.url];
        check(program, about, &args, &ends);
    }
    check(program, "a log of nobody", &[&file, "--log", &later.url], &Ends(2, None, "--log needs --log-key"));
}

/// Anchors on chain are compared with the log that is shown.
pub(crate) fn anchors(program: Program) {
    let receipt = frozen_receipt();
    let folder = tempfile::tempdir().unwrap();
    let deployment = deployment(folder.path(), &receipt.attestation.as_ref().unwrap().domain);
    let log = Server::start(Says::Files(repository("tests/frozen/1/log")));
    let anchor: (u64, B256) = serde_json::from_slice(&std::fs::read(frozen("anchor.json")).unwrap()).unwrap();
    let cases = [
        (
            "the right anchor",
            vec![anchor, (1_000, B256::ZERO)],
            Ends(0, None, "1 anchors on chain agree, 1 are of a tree"),
        ),
        (
            "another anchor",
            vec![(anchor.0, B256::ZERO)],
            Ends(16, Some("equivocation"), "signed or anchored"),
        ),
    ];
    for (about, anchors, ends) in cases {
        let node = Server::start(Says::Chain(Box::new(FakeChain { anchors, ..chain_of(&receipt) })));
        let (file, key) = (frozen("receipt.json"), frozen("log.key"));
        let args =
            [&*file, "--rpc", &node.url, "--deployment", &deployment, "--log-key", &key, "--log", &log.url];
        check(program, about, &args, &ends);
    }
}
