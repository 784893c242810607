//! What does the transparency log cost? An append beside one durable append to a file, in a small log and in one of a
//! million entries; the size of a proof; the memory of an audit.
//!
//! By the clock, because an append waits for the disk. The log is this machine's own: the same disk as the file's.

mod common;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use brizo::log::Log;
use brizo::store::Store;
use brizo::worker::LogRows;
use brizo_receipt::log::{Entry, Event};
use brizo_receipt::{B256, JobSpec};
use common::measure::{Samples, Turn, interleaved, wall};
use common::promise::{Promise, hold};
use common::table::{self, ms, ratio};

const ROUNDS: usize = 41;
const SIZES: [u64; 2] = [1_000, 1_000_000];
const ORIGIN: &str = "bench.example/log";

/// Rows of the table; the first is what the others are divided by.
const NAMES: [&str; 5] = [
    "append to a file and sync",
    "append, 1,000 entries",
    "append and publish, 1,000 entries",
    "append, 1,000,000 entries",
    "append and publish, 1,000,000 entries",
];

fn main() -> Result<()> {
    let root = tempfile::tempdir()?;
    let logs = SIZES.map(|size| Bench::new(&root.path().join(size.to_string()), size));
    let [small, large] = logs;
    let (small, large) = (small?, large?);
    let clock = appends(root.path(), &small, &large)?;
    let rows: Vec<Vec<String>> = NAMES
        .iter()
        .enumerate()
        .map(|(row, name)| vec![(*name).to_owned(), ms(clock.median(row)), ratio(clock.ratio(row, 0))])
        .collect();
    table::print(&format!("Appends, medians of {ROUNDS} rounds"), &["", "clock, ms", "by the file"], &rows);

    let member = large.log.member(SIZES[1] / 3, 0)?.context("no proof")?;
    let bytes = serde_json::to_string(&member)?.len();
    println!("\nproof in {} entries: {} hashes, {bytes} bytes as JSON", SIZES[1], member.proof.len());
    let memory = [audit(&small)?, audit(&large)?];
    // A start goes through all rows twice: to know that they are what was signed, and to compare the files with them.
    let (start_s, _) = wall(|| Ok(Log::open(&large.folder, ORIGIN, &LogRows(large.store.clone()))?))?;
    println!("start with {} entries: {} ms", SIZES[1], ms(start_s));
    println!("audit: {:.1} MiB for {} entries, {:.1} MiB for {}", memory[0], SIZES[0], memory[1], SIZES[1]);

    hold(&[
        Promise { what: "an append by a durable append to a file", measured: clock.ratio(3, 0), most: 2.0 },
        Promise {
            what: "an append to a million entries by one to a thousand",
            measured: clock.ratio(3, 1),
            most: 1.25,
        },
        Promise {
            what: "publishing with a million entries by one with a thousand",
            measured: clock.ratio(4, 2),
            most: 1.5,
        },
        Promise {
            what: "hashes of a proof in a million entries",
            measured: member.proof.len() as f64,
            most: 20.0,
        },
        Promise { what: "MiB of an audit of a million entries", measured: memory[1], most: 96.0 },
    ])
}

fn appends(root: &Path, small: &Bench, large: &Bench) -> Result<Samples> {
    let mut file = OpenOptions::new().create(true).append(true).open(root.join("file"))?;
    let mut contestants: [Turn<'_>; NAMES.len()] = [
        Box::new(move || {
            let append = || {
                file.write_all(&[7; 118])?;
                Ok(file.sync_data()?)
            };
            Ok(wall(append)?.0)
        }),
        Box::new(|| Ok(wall(|| small.append())?.0)),
        Box::new(|| Ok(wall(|| small.append_and_publish())?.0)),
        Box::new(|| Ok(wall(|| large.append())?.0)),
        Box::new(|| Ok(wall(|| large.append_and_publish())?.0)),
    ];
    interleaved(ROUNDS, &mut contestants)
}

/// A log in a folder of its own.
struct Bench {
    folder: PathBuf,
    store: Store,
    log: Log,
}

impl Bench {
    fn new(folder: &Path, size: u64) -> Result<Self> {
        fs::create_dir(folder)?;
        let database = folder.join("brizo.db");
        let store = Store::open_to_serve(&database)?;
        fill(&database, size)?;
        let log = Log::open(folder, ORIGIN, &LogRows(store.clone()))?;
        ensure!(log.published().tree.size == size, "another size");
        Ok(Self { folder: folder.into(), store, log })
    }

    fn append(&self) -> Result<()> {
        let spec = JobSpec {
            profile: B256::ZERO,
            agreement_id: B256::random(),
            run_index: 0,
            module_digest: B256::ZERO,
            algorithm_root: B256::ZERO,
            invocation_root: B256::ZERO,
            inputs_root: B256::ZERO,
            random_seed: B256::ZERO,
            clock_start: 0,
            clock_step: 1,
            fuel_limit: 1,
            memory_limit: 1,
            stack_limit: 1,
            output_limit: 1,
            files_limit: 1,
            blind_commit: B256::ZERO,
        };
        Ok(self.store.log_refusal(&spec, "policy_refused: not today", 1)?)
    }

    fn append_and_publish(&self) -> Result<()> {
        self.append()?;
        ensure!(self.log.advance(&LogRows(self.store.clone()))?, "nothing new");
        Ok(())
    }
}

/// Receipts, in one transaction: a million durable ones would take as many turns of the disk.
fn fill(database: &Path, size: u64) -> Result<()> {
    let mut connection = rusqlite::Connection::open(database)?;
    let transaction = connection.transaction()?;
    let mut statement =
        transaction.prepare("INSERT INTO log_entry (seq, entry, once) VALUES (?1, ?2, ?3)")?;
    for seq in 0..size {
        let entry = Entry {
            event: Event::Receipt,
            run_index: 0,
            logged_at: 1,
            agreement_id: brizo_receipt::content_digest(&seq.to_be_bytes()),
            subject: B256::repeat_byte(2),
            statement: B256::repeat_byte(3),
        };
        let once = format!("receipt/{}", entry.agreement_id);
        statement.execute(rusqlite::params![seq, entry.to_bytes().as_slice(), once])?;
    }
    drop(statement);
    Ok(transaction.commit()?)
}

/// Most memory, in MiB, that `brizo log audit` of the log took.
fn audit(bench: &Bench) -> Result<f64> {
    let url = serve(bench.folder.join("log"), format!("{}\n", bench.log.key()))?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_brizo"))
        .args(["log", "audit", &url])
        .stdout(Stdio::null())
        .spawn()?;
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both places are ours, and the process is our child, which nobody else waits for.
    let waited = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, usage.as_mut_ptr()) };
    if waited < 0 {
        child.kill()?;
    }
    ensure!(waited > 0 && status == 0, "the audit ended with {status}");
    // SAFETY: zeroes are a usage, and the call has filled it in.
    Ok(unsafe { usage.assume_init() }.ru_maxrss as f64 / 1024.0)
}

/// Serves a folder of files over HTTP, as any web server does; for as long as this process lives.
fn serve(folder: PathBuf, key: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let shared = Arc::new((folder, key));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || answer(stream, &shared.0, &shared.1));
        }
    });
    Ok(url)
}

fn answer(stream: TcpStream, folder: &Path, key: &str) -> Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::from("-");
        while !header.trim().is_empty() {
            header.clear();
            reader.read_line(&mut header)?;
        }
        let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches("/log/");
        let body =
            if path == "key" { Some(key.as_bytes().to_vec()) } else { fs::read(folder.join(path)).ok() };
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_default();
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        writer.write_all(&answer)?;
    }
}
