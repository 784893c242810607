//! A small web of canned answers: an Ethereum node that says what a test wants, and files over HTTP. Plain threads and
//! sockets, so that both packages whose programs verify can use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brizo_receipt::{Address, B256, Domain, domain_separator, keccak256};
use serde_json::{Value, json};

/// What the node's chain has.
#[derive(Debug, Clone)]
pub(crate) struct FakeChain {
    pub(crate) chain_id: u64,
    /// The deployment's domain; `None` where no contract is.
    pub(crate) contracts: Option<Domain>,
    /// Publisher and consumer of every agreement; zero where there is none.
    pub(crate) parties: (Address, Address),
    /// Number of the DID that every agreement is about.
    pub(crate) did: B256,
    /// What `receiptOf` says.
    pub(crate) receipt: B256,
    /// Hash and publisher of the one event, and the contract that raised it.
    pub(crate) event: Option<(B256, Address, Address)>,
    /// Number of the run that the event is of.
    pub(crate) run: u64,
    /// What `checksumOf` says of the block of the event, and of a later one if that is another.
    pub(crate) checksum: B256,
    pub(crate) checksum_of_today: Option<B256>,
    /// Whether it answers about earlier blocks than the newest.
    pub(crate) keeps_state: bool,
    /// Anchors of logs.
    pub(crate) anchors: Vec<(u64, B256)>,
    /// Widest range of blocks that is answered.
    pub(crate) widest: u64,
}

/// Newest block of the chain, the block of the event, and seconds per block.
const NEWEST: u64 = 5_000;
const EVENT_BLOCK: u64 = 3_210;
const BLOCK_S: u64 = 12;

/// How a server answers.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// As a node of this chain.
    Chain(Box<FakeChain>),
    /// The files of a folder.
    Files(PathBuf),
    /// The same HTTP response to everything, whatever it is.
    Always(Vec<u8>),
    /// The files of a folder, and for all others an answer that never ends.
    #[allow(dead_code, reason = "of the two packages that share this file one has no such case")]
    Endless(PathBuf),
    /// The files of a folder, and for all others an answer that begins and does not go on.
    #[allow(dead_code, reason = "of the two packages that share this file one has no such case")]
    Stuck(PathBuf),
}

/// A running server; ends when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away in the middle is its own affair.
                let _ = stream.and_then(|stream| answer(stream, &says));
            }
        });
        Self { url, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn answer(mut stream: TcpStream, says: &Says) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_string();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let file = |folder: &PathBuf| std::fs::read(folder.join(path.trim_start_matches('/')));
    let response = match says {
        Says::Always(response) => response.clone(),
        Says::Endless(folder) | Says::Stuck(folder) => match file(folder) {
            Ok(bytes) => ok(&bytes),
            Err(_) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
                // Both end when the client goes away; it says nothing more until then.
                loop {
                    stream.write_all(&[0; 16])?;
                    if matches!(says, Says::Stuck(_)) {
                        reader.read_exact(&mut [0])?;
                    }
                }
            }
        },
        Says::Files(folder) => match file(folder) {
            Ok(bytes) => ok(&bytes),
            Err(_) => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
        },
        Says::Chain(chain) => ok(chain.answer(&body).to_string().as_bytes()),
    };
    stream.write_all(&response)
}

/// A response with this body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

impl FakeChain {
    fn answer(&self, body: &[u8]) -> Value {
        let question: Value = serde_json::from_slice(body).unwrap_or_default();
        let (method, params) = (question["method"].as_str().unwrap_or_default(), &question["params"]);
        let result = match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain_id)),
            "eth_blockNumber" => json!(format!("{NEWEST:#x}")),
            "eth_getBlockByNumber" => {
                let block = quantity(&params[0]);
                json!({ "number": params[0], "timestamp": format!("{:#x}", block * BLOCK_S) })
            }
            "eth_call" if quantity(&params[1]) != NEWEST && !self.keeps_state => {
                return json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "message": "missing trie node" } });
            }
            "eth_call" => {
                json!(self.call(params[0]["data"].as_str().unwrap_or_default(), quantity(&params[1])))
            }
            "eth_getLogs" => match self.logs(&params[0]) {
                Some(logs) => logs,
                None => {
                    return json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "message": "range too large" } });
                }
            },
            other => panic!("nothing of ours asks for {other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
    }

    fn call(&self, data: &str, block: u64) -> String {
        let Some(domain) = &self.contracts else { return "0x".into() };
        let is = |signature: &str| data.starts_with(&format!("0x{}", hex(&keccak256(signature)[..4])));
        if is("domainSeparator()") {
            return domain_separator(domain).to_string();
        }
        if is("receiptOf(bytes32)") {
            return self.receipt.to_string();
        }
        if is("checksumOf(bytes32)") {
            let today = self.checksum_of_today.filter(|_| block > EVENT_BLOCK);
            return today.unwrap_or(self.checksum).to_string();
        }
        assert!(is("getAgreement(bytes32)"), "nothing of ours calls {data}");
        let (publisher, consumer) = (self.parties.0.into_word(), self.parties.1.into_word());
        let executed = word((EVENT_BLOCK - 100) * BLOCK_S);
        let words = [word(2), self.did, publisher, consumer, executed, word(0), word(0), word(2), word(0)];
        format!("0x{}", words.map(|word| hex(word.as_slice())).concat())
    }

    /// The events in a range of blocks; `None` when the range is too wide.
    fn logs(&self, filter: &Value) -> Option<Value> {
        let (from, to) = (quantity(&filter["fromBlock"]), quantity(&filter["toBlock"]));
        if to - from >= self.widest {
            return None;
        }
        let registered = keccak256("DIDAttributeRegistered(bytes32,address,bytes32,string,uint256)");
        if filter["topics"][0] == registered.to_string() {
            return Some(self.registered(filter, from..=to));
        }
        if !(from..=to).contains(&EVENT_BLOCK) {
            return Some(json!([]));
        }
        let log = |address: Value, topics: Value, data: String| {
            json!({
                "address": address, "topics": topics, "data": data, "blockNumber": format!("{EVENT_BLOCK:#x}"),
                "transactionHash": B256::repeat_byte(0xab),
            })
        };
        let anchored = keccak256("LogAnchored(address,uint64,bytes32)");
        if filter["topics"][0] == anchored.to_string() {
            let anchors = self.anchors.iter().map(|(size, root)| {
                let data = format!("0x{}{}", hex(word(*size).as_slice()), hex(root.as_slice()));
                log(filter["address"].clone(), filter["topics"].clone(), data)
            });
            return Some(anchors.collect());
        }
        let events = self.event.iter().map(|(hash, publisher, contract)| {
            let topics = json!([filter["topics"][0], filter["topics"][1], hash, publisher.into_word()]);
            log(json!(contract), topics, word(self.run).to_string())
        });
        Some(events.collect())
    }

    /// The DDO's registrations: another one first, then the one that counts; none of a checksum of zero.
    fn registered(&self, filter: &Value, blocks: std::ops::RangeInclusive<u64>) -> Value {
        let versions = [(100, B256::repeat_byte(0xcc)), (200, self.checksum)];
        let seen = versions.iter().filter(|(at, _)| blocks.contains(at) && !self.checksum.is_zero());
        let event = |(at, checksum): &(u64, B256)| {
            let topics = [
                filter["topics"][0].clone(),
                filter["topics"][1].clone(),
                json!(self.parties.0.into_word()),
                json!(checksum),
            ];
            let data = [word(64), word(7), word(0)].map(|word| hex(word.as_slice())).concat();
            json!({
                "address": filter["address"], "topics": topics, "data": format!("0x{data}"),
                "blockNumber": format!("{at:#x}"), "transactionHash": B256::repeat_byte(0xab),
            })
        };
        seen.map(event).collect()
    }
}

fn word(number: u64) -> B256 {
    let mut word = B256::ZERO;
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
