//! What does a job cost that does nothing, from the order over HTTP to the signed receipt, with no chain? Beside starting a process;
//! with 64 callers, beside bare durable transactions; with a million jobs in the store, beside ten; and beside a container.
//!
//! By the clock: a job waits for the disk, twice. The same is done once more in a folder of memory (`/dev/shm`), which shows
//! what is Brizo's own. `BRIZO_BENCH_JOBS` fills the store with another number of jobs, `BRIZO_BENCH_DOCKER` is the socket of a
//! Docker Engine that has an image `busybox`.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use common::measure::{Samples, Turn, interleaved, median, own_cpu, wall};
use common::promise::{Promise, hold};
use common::shop::Shop;
use common::table::{self, ms, ratio};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const ROUNDS: usize = 51;
const CALLERS: usize = 64;
/// Jobs of each caller in one round, and rounds.
const EACH: usize = 4;
const CROWDS: usize = 5;
fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let root = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in("/dev/shm").context("a folder of memory")?;
    let [disk, large, shm] = runtime.block_on(async {
        let disk = Shop::open(root.path(), "disk").await?;
        let large = Shop::open(root.path(), "large").await?;
        let shm = Shop::open(memory.path(), "memory").await?;
        anyhow::Ok([disk, large, shm].map(Arc::new))
    })?;
    let jobs = std::env::var("BRIZO_BENCH_JOBS").map_or(Ok(1_000_000), |text| text.parse())?;
    fill(&large.folder.join("brizo.db"), jobs)?;
    let mut promises = alone(&runtime, [&disk, &large, &shm], jobs)?;
    promises.extend(crowd(&runtime, &disk, root.path())?);
    hold(&promises)
}

/// How a client comes to its receipt.
#[derive(Debug, Clone, Copy)]
enum By {
    OneRequest,
    TwoRequests,
}

fn trip<'a>(runtime: &'a Runtime, shop: &'a Arc<Shop>, by: By) -> Turn<'a> {
    Box::new(move || {
        let id = shop.agreement()?;
        let order = shop.order(id)?;
        // A task among others, as a client is that does more than one thing.
        let shop = shop.clone();
        let took = runtime.block_on(runtime.spawn(async move {
            let began = Instant::now();
            match by {
                By::OneRequest => shop.trip(order).await?,
                By::TwoRequests => shop.two_trips(id, order).await?,
            }
            anyhow::Ok(began.elapsed().as_secs_f64())
        }));
        took?
    })
}

fn start(command: &mut Command) -> Result<f64> {
    let (took, status) = wall(|| Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).status()?))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

/// One caller.
fn alone(runtime: &Runtime, [disk, large, shm]: [&Arc<Shop>; 3], jobs: u64) -> Result<Vec<Promise>> {
    let docker = std::env::var("BRIZO_BENCH_DOCKER").ok();
    let mut contestants: Vec<Turn<'_>> = vec![
        Box::new(|| start(&mut Command::new("/bin/true"))),
        trip(runtime, disk, By::OneRequest),
        trip(runtime, large, By::OneRequest),
        trip(runtime, shm, By::OneRequest),
        trip(runtime, disk, By::TwoRequests),
    ];
    let mut names = vec![
        "start /bin/true".to_owned(),
        "a job".into(),
        format!("a job, {jobs} others in the store"),
        "a job, on a disk of memory".into(),
        "a job, order and receipt by two requests".into(),
    ];
    if let Some(socket) = &docker {
        names.push("a container".into());
        contestants.push(Box::new(move || {
            let run = ["run", "--rm", "--network", "none", "busybox", "true"];
            start(Command::new("docker").args(["--host", socket]).args(run))
        }));
    } else {
        println!("SKIPPED: a container (BRIZO_BENCH_DOCKER is not set; benches/README.md)");
    }
    let clock = interleaved(ROUNDS, &mut contestants)?;
    print(&names, &clock);
    let mut promises = vec![
        Promise { what: "a job by starting /bin/true", measured: clock.ratio(1, 0), most: 2.0 },
        Promise { what: "the same on a disk of memory", measured: clock.ratio(3, 0), most: 2.0 },
        Promise {
            what: "a job in a full store by one in an empty one",
            measured: clock.ratio(2, 1),
            most: 1.2,
        },
    ];
    if docker.is_some() {
        promises.push(Promise { what: "a job by a container", measured: clock.ratio(1, 5), most: 0.05 });
    }
    Ok(promises)
}

fn print(names: &[String], clock: &Samples) {
    let row =
        |(row, name): (usize, &String)| vec![name.clone(), ms(clock.median(row)), ratio(clock.ratio(row, 0))];
    let rows: Vec<_> = names.iter().enumerate().map(row).collect();
    table::print(
        &format!("One caller, medians of {ROUNDS} rounds"),
        &["", "clock, ms", "by the process"],
        &rows,
    );
}

/// Many callers, and one that writes durable transactions of the same size as fast as the disk takes them.
fn crowd(runtime: &Runtime, shop: &Arc<Shop>, root: &Path) -> Result<Vec<Promise>> {
    let mut bare = rusqlite::Connection::open(root.join("bare.db"))?;
    bare.pragma_update(None, "journal_mode", "wal")?;
    bare.pragma_update(None, "synchronous", "full")?;
    bare.execute_batch("CREATE TABLE bare (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
    let count = CALLERS * EACH;
    let database = shop.folder.join("brizo.db");
    let before = length(&database)?;
    runtime.block_on(rush(shop.clone(), count))?;
    let bytes = vec![7u8; ((length(&database)? - before) / count as u64) as usize];
    println!("\na job, with its agreement, has {} bytes in the database", bytes.len());
    let mut used = Vec::new();
    let mut contestants: [Turn<'_>; 2] = [
        Box::new(|| {
            Ok(wall(|| {
                for _ in 0..count {
                    let transaction = bare.transaction()?;
                    transaction.execute("INSERT INTO bare (bytes) VALUES (?1)", [&bytes])?;
                    transaction.commit()?;
                }
                Ok(())
            })?
            .0)
        }),
        Box::new(|| {
            let (took, cpu) = runtime.block_on(rush(shop.clone(), count))?;
            used.push(cpu / count as f64);
            Ok(took)
        }),
    ];
    let clock = interleaved(CROWDS, &mut contestants)?;
    drop(contestants);
    let rate = |of| format!("{:.0}", count as f64 / clock.median(of));
    table::print(
        &format!("{CALLERS} callers, {count} jobs a round"),
        &["", "a second"],
        &[vec!["durable transactions".into(), rate(0)], vec!["jobs".into(), rate(1)]],
    );
    println!("processor time of a job, client and provider: {} ms", ms(median(used)));
    let what = "time of a job in a crowd by that of a durable transaction";
    Ok(vec![Promise { what, measured: clock.ratio(1, 0), most: 2.0 }])
}

/// Bytes in use of a database, with what is still in its log.
fn length(database: &Path) -> Result<u64> {
    let connection = rusqlite::Connection::open(database)?;
    let number = |query| connection.query_row(query, [], |row| row.get::<_, u64>(0));
    // Pages that are free already may be used first.
    Ok((number("PRAGMA page_count")? - number("PRAGMA freelist_count")?) * 4096)
}

/// Seconds for `count` jobs of 64 callers, by the clock and by the processors.
async fn rush(shop: Arc<Shop>, count: usize) -> Result<(f64, f64)> {
    // Made side by side, since each is three turns of the disk.
    let mut making = JoinSet::new();
    for _ in 0..count {
        let shop = shop.clone();
        making.spawn_blocking(move || shop.order(shop.agreement()?));
    }
    let orders: Vec<Vec<u8>> = making.join_all().await.into_iter().collect::<Result<_>>()?;
    let (began, before) = (Instant::now(), own_cpu()?);
    let mut callers = JoinSet::new();
    for own in orders.chunks(EACH) {
        let (shop, own) = (shop.clone(), own.to_vec());
        callers.spawn(async move {
            for order in own {
                shop.trip(order).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok((began.elapsed().as_secs_f64(), own_cpu()? - before))
}

/// Settled jobs with all their rows, made in the database itself; receipts are shorter than real ones, to spare the disk.
fn fill(database: &Path, jobs: u64) -> Result<()> {
    let connection = rusqlite::Connection::open(database)?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.execute_batch(&format!(
        "BEGIN;
         CREATE TEMP TABLE number AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {jobs})
             SELECT i, printf('%064x', i) AS id FROM n;
         INSERT INTO agreement (id, did, consumer, terms, grant_deadline_s, locked, granted, created_s)
             SELECT id, (SELECT did FROM dataset), printf('0x%040x', i % 1000), '{{}}', 1, 1, 1, i FROM number;
         INSERT INTO job (id, agreement, run_index, state, end, spec, spec_signature, run_key, invocation, attempt, receipt_hash,
                          outcome, receipt, paid, refunded, created_s, ordered_by, start_by_s, ended_s)
             SELECT id || '-0', id, 0, 'settled', 'finished', hex(zeroblob(300)), zeroblob(65), zeroblob(32), '{{}}', 1,
                    zeroblob(32), '{{}}', hex(zeroblob(200)), '1', '0', i, printf('0x%040x', i % 1000), 1, i FROM number;
         INSERT INTO output (job, kind, path, size, digest)
             SELECT id || '-0', 'stream', 'stdout', 0, zeroblob(32) FROM number;
         INSERT INTO outbox (agreement, job, step, state) SELECT id, id || '-0', 'release', 'done' FROM number;
         INSERT INTO history (job, at_s, text) SELECT id || '-0', i, 'settled' FROM number;
         COMMIT; ANALYZE;"
    ))?;
    let there: u64 = connection.query_row("SELECT count(*) FROM job", [], |row| row.get(0))?;
    if there < jobs {
        bail!("{there} jobs were made");
    }
    Ok(())
}
