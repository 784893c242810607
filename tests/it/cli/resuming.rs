//! Fetching large files over a line that breaks: what came is gone on with, and what is kept is what the receipt names.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use brizo::client::{Client, Error, Wanted};
use brizo_receipt::{Address, Domain, SecretKey, content_digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A provider of one file: ETag, ranges and If-Range as the real one has them, and answers that break off.
struct Line {
    url: String,
    served: Arc<Mutex<Served>>,
    folder: tempfile::TempDir,
}

#[derive(Default)]
struct Served {
    content: Vec<u8>,
    /// What it has after the first answer.
    then: Option<Vec<u8>>,
    /// After how many bytes of its body each answer breaks off; whole when there are no more.
    cuts: VecDeque<usize>,
    /// The ranges that were asked for.
    asked: Vec<Option<usize>>,
}

impl Line {
    async fn of(content: &[u8], cuts: &[usize]) -> Self {
        let cuts = cuts.iter().copied().collect();
        let served = Served { content: content.to_vec(), cuts, ..Served::default() };
        let served = Arc::new(Mutex::new(served));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = served.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { url, served, folder: tempfile::tempdir().unwrap() }
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("table.csv")
    }

    /// Fetches what has the digest and length of `wanted`; returns the numbers that were told.
    async fn fetch(&self, wanted: &[u8]) -> Result<Vec<u64>, Error> {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let domain = Domain { chain_id: 1337, verifying_contract: Address::ZERO };
        let client = Client::new(&self.url, key, Address::ZERO, domain).unwrap();
        let told = Mutex::new(Vec::new());
        let wanted =
            Wanted { url_path: "/table.csv", digest: content_digest(wanted), size: wanted.len() as u64 };
        client.fetch_file(wanted, &self.part(), &|bytes| told.lock().unwrap().push(bytes)).await?;
        Ok(told.into_inner().unwrap())
    }

    fn asked(&self) -> Vec<Option<usize>> {
        self.served.lock().unwrap().asked.clone()
    }
}

async fn answer(mut stream: TcpStream, served: Arc<Mutex<Served>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert!(field("authorization:").is_some(), "{head}");
    let (text, body) = {
        let mut served = served.lock().unwrap();
        let size = served.content.len();
        let etag = format!("\"{}\"", hex::encode(content_digest(&served.content)));
        let range = field("range:").map(|range| {
            range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
        });
        served.asked.push(range);
        let same = field("if-range:").is_none_or(|given| given == etag);
        let (line, from) = match range.filter(|_| same) {
            Some(from) if from >= size => (format!("416 No\r\ncontent-range: bytes */{size}"), size),
            Some(from) => (format!("206 Part\r\ncontent-range: bytes {from}-{}/{size}", size - 1), from),
            None => ("200 OK".into(), 0),
        };
        let rest = served.content[from..].to_vec();
        let cut = served.cuts.pop_front().unwrap_or(size).min(rest.len());
        let text = format!(
            "HTTP/1.1 {line}\r\ncontent-length: {}\r\netag: {etag}\r\nconnection: close\r\n\r\n",
            rest.len()
        );
        if let Some(then) = served.then.take() {
            served.content = then;
        }
        (text, rest[..cut].to_vec())
    };
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.shutdown().await.unwrap();
}

fn content() -> Vec<u8> {
    (0..1_000_000u64).map(|i| (i * i / 7) as u8).collect()
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let content = content();
    let line = Line::of(&content, &[100_000, 0, 300_000]).await;
    let told = line.fetch(&content).await.unwrap();
    assert_eq!(std::fs::read(line.part()).unwrap(), content);
    assert_eq!(line.asked(), [None, Some(100_000), Some(100_000), Some(400_000)], "no byte comes twice");
    assert!(told.is_sorted() && told.last() == Some(&1_000_000), "{told:?}");
}

#[tokio::test]
async fn what_an_earlier_command_left_is_gone_on_with() {
    let content = content();
    for left in [1, 999_999] {
        let line = Line::of(&content, &[]).await;
        std::fs::write(line.part(), &content[..left]).unwrap();
        line.fetch(&content).await.unwrap();
        assert_eq!(std::fs::read(line.part()).unwrap(), content);
        assert_eq!(line.asked(), [Some(left)]);
    }
    let line = Line::of(&content, &[]).await;
    std::fs::write(line.part(), &content).unwrap();
    line.fetch(&content).await.unwrap();
    assert_eq!(line.asked(), [], "what is whole is not asked for again");
}

#[tokio::test]
async fn a_damaged_part_is_fetched_anew() {
    let content = content();
    let mut flipped = content[..500_000].to_vec();
    flipped[17] ^= 1;
    let mut whole = content.clone();
    whole[999_999] ^= 1;
    let longer = [&content[..], b"more"].concat();
    for (part, asked) in [(flipped, vec![Some(500_000), None]), (whole, vec![None]), (longer, vec![None])] {
        let line = Line::of(&content, &[]).await;
        std::fs::write(line.part(), &part).unwrap();
        line.fetch(&content).await.unwrap();
        assert_eq!(std::fs::read(line.part()).unwrap(), content);
        assert_eq!(line.asked(), asked);
    }
}

#[tokio::test]
async fn another_file_than_the_receipts_is_not_kept() {
    let content = content();
    let mut changed = content.clone();
    changed[5] ^= 1;
    let (shorter, longer) = (&content[..999_999], [&content[..], b"x"].concat());
    for (name, serves) in
        [("changed", &changed[..]), ("shorter", shorter), ("longer", &longer), ("empty", b"")]
    {
        for left in [0, 400_000, 999_999] {
            let line = Line::of(serves, &[]).await;
            std::fs::write(line.part(), &content[..left]).unwrap();
            let error = line.fetch(&content).await.unwrap_err();
            assert!(matches!(error, Error::Other(_)), "{name} after {left}: {error}");
            assert!(!line.part().exists(), "{name} after {left}");
            assert!(line.asked().len() <= 2, "{name} after {left}: {:?}", line.asked());
        }
    }
    // Changed while it came: the rest is of another file, so all of it is asked for, and found to be wrong.
    let line = Line::of(&content, &[100_000]).await;
    line.served.lock().unwrap().then = Some(changed);
    let fetched = line.fetch(&content).await;
    assert!(matches!(fetched, Err(Error::Other(_))), "{fetched:?}");
    assert_eq!((line.asked(), line.part().exists()), (vec![None, Some(100_000)], false));
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let line = Line::of(b"", &[]).await;
    line.fetch(b"").await.unwrap();
    assert_eq!(std::fs::read(line.part()).unwrap(), b"");
}

/// More than anybody should read.
const ENDLESS: u64 = 1 << 30;

/// Answers one request with this status and a body that ends when the client goes away; returns its length.
async fn endless(status: &'static str) -> (String, tokio::task::JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4];
        while head != *b"\r\n\r\n" {
            head.rotate_left(1);
            head[3] = stream.read_u8().await.unwrap();
        }
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut written = 0u64;
        while written < ENDLESS && stream.write_all(&[b' '; 4096]).await.is_ok() {
            written += 4096;
        }
        written
    });
    (url, server)
}

/// What is no problem document is not read to its end: it may have none.
#[tokio::test]
async fn a_refusal_without_end_is_not_read() {
    let (url, server) = endless("404 Not Found").await;
    let folder = tempfile::tempdir().unwrap();
    let served = Arc::default();
    let error = Line { url, served, folder }.fetch(b"wanted").await.unwrap_err();
    assert!(matches!(&error, Error::Odd(text) if text.contains("404")), "{error}");
    // What the two sockets hold besides is the system's.
    assert!(server.await.unwrap() < 64 << 20);
}

/// Nor is an answer: a provider must not fill its consumer's memory.
#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let (url, server) = endless("200 OK").await;
    let error = brizo::client::fetch(&url, "/api/v1/environments").await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::TooLong { path, .. } if path == "/api/v1/environments"), "{error}");
    assert!(server.await.unwrap() < 128 << 20);
    let (url, server) = endless("200 OK").await;
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    let domain = Domain { chain_id: 1337, verifying_contract: Address::ZERO };
    let client = Client::new(&url, key, Address::ZERO, domain).unwrap();
    let error = client.get("/api/v1/jobs/x/receipt").await.map(drop).unwrap_err();
    let most = brizo_receipt::BYTES_MAX;
    assert!(matches!(error, Error::TooLong { most: read, .. } if read == most), "{error}");
    assert!(server.await.unwrap() < 4 * most as u64);
}
