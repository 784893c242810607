//! The writer of the log: what it writes, and what it makes of a folder that a crash, a loss or a wrong copy has left.

use std::fs;
use std::sync::Mutex;

use brizo_receipt::B256;
use brizo_receipt::log::{Entry, Event, check_consistency, check_inclusion};
use tempfile::TempDir;

use super::*;

const ORIGIN: &str = "provider.example/log";

/// Rows in memory, and the positions from which they were asked for.
#[derive(Default)]
struct Table(Mutex<Vec<[u8; ENTRY_BYTES]>>, Mutex<Vec<u64>>);

impl Table {
    fn of(size: u64) -> Self {
        let table = Self::default();
        table.grow(size);
        table
    }

    fn grow(&self, size: u64) {
        let mut rows = self.0.lock().unwrap();
        while (rows.len() as u64) < size {
            let next = entry(rows.len() as u64);
            rows.push(next.to_bytes());
        }
    }
}

impl Rows for Table {
    fn size(&self) -> std::result::Result<u64, String> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, from: u64, limit: u64) -> std::result::Result<Vec<[u8; ENTRY_BYTES]>, String> {
        self.1.lock().unwrap().push(from);
        // Short answers are allowed.
        let limit = limit.min(300) as usize;
        Ok(self.0.lock().unwrap().iter().skip(from as usize).take(limit).copied().collect())
    }
}

fn entry(n: u64) -> Entry {
    Entry {
        event: Event::Receipt,
        run_index: n,
        logged_at: n,
        agreement_id: B256::repeat_byte(1),
        subject: B256::repeat_byte(2),
        statement: B256::repeat_byte(3),
    }
}

fn open(folder: &TempDir, rows: &Table) -> Result<Log> {
    Log::open(folder.path(), ORIGIN, rows)
}

/// The checkpoint on disk, verified, and every entry proved under it.
fn check(log: &Log, folder: &TempDir, rows: &Table) -> Tree {
    let note = fs::read_to_string(folder.path().join("log/checkpoint")).unwrap();
    assert_eq!(log.published().note, note);
    let tree = Checkpoint::verify(&note, log.key()).unwrap().tree;
    let rows = rows.0.lock().unwrap();
    assert_eq!(tree.size, rows.len() as u64);
    for index in
        [0, 255, 256, 511, tree.size.saturating_sub(1)].into_iter().filter(|index| *index < tree.size)
    {
        let member = log.member(index, 0).unwrap().unwrap();
        let leaf = Entry::parse(&rows[index as usize]).unwrap().leaf();
        check_inclusion(&tree, index, leaf, &member.proof).unwrap();
    }
    tree
}

fn files(folder: &TempDir) -> Vec<String> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&folder.path().join("log"), &mut found);
    let root = folder.path().join("log");
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn an_empty_log_is_signed_and_grows_by_extension_only() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::default();
    let log = open(&folder, &rows).unwrap();
    assert_eq!(check(&log, &folder, &rows), Tree::EMPTY);
    assert!(!log.advance(&rows).unwrap(), "nothing new is not signed again");
    let mut before = Tree::EMPTY;
    for size in [1, 2, 3, 255, 256, 257, 600, 1024, 1030] {
        rows.grow(size);
        assert!(log.advance(&rows).unwrap());
        let tree = check(&log, &folder, &rows);
        if before.size > 0 {
            assert_eq!(log.root_at(before.size).unwrap(), before.root);
        }
        before = tree;
    }
    assert_eq!(check_consistency(&before, &before, &[]), Ok(()));
    assert_eq!(log.member(1030, 0).unwrap(), None);
}

#[test]
fn the_files_are_the_specified_ones_and_full_ones_replace_partial_ones() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(250);
    let log = open(&folder, &rows).unwrap();
    assert_eq!(files(&folder), ["checkpoint", "tile/0/000.p/250", "tile/entries/000.p/250"]);
    rows.grow(255);
    log.advance(&rows).unwrap();
    assert_eq!(
        files(&folder).len(),
        5,
        "the partial ones of earlier checkpoints stay until the full one is there"
    );
    rows.grow(515);
    log.advance(&rows).unwrap();
    let expected = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/3",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/3",
    ];
    assert_eq!(files(&folder), expected);
    let bundle = fs::read(folder.path().join("log/tile/entries/002.p/3")).unwrap();
    let framed: Vec<u8> = (512..515).flat_map(|n| [&[0, 116], &entry(n).to_bytes()[..]].concat()).collect();
    assert_eq!(bundle, framed);
}

#[test]
fn killed_between_the_commit_and_the_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(300);
    let first = open(&folder, &rows).unwrap().published();
    // Rows were committed, and the process ended before it saw them.
    rows.grow(700);
    let log = open(&folder, &rows).unwrap();
    check(&log, &folder, &rows);
    assert_eq!(log.root_at(300).unwrap(), first.tree.root);
}

#[test]
fn killed_between_the_tiles_and_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(300);
    let log = open(&folder, &rows).unwrap();
    let checkpoint = folder.path().join("log/checkpoint");
    let old = fs::read(&checkpoint).unwrap();
    rows.grow(600);
    log.advance(&rows).unwrap();
    drop(log);
    fs::write(&checkpoint, old).unwrap();
    fs::write(folder.path().join("log/new"), b"half a ti").unwrap();
    check(&open(&folder, &rows).unwrap(), &folder, &rows);
}

#[test]
fn torn_and_lost_files_are_made_again_from_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(66_000);
    let whole = open(&folder, &rows).unwrap().published();
    let before = files(&folder);
    for (name, content) in [
        ("tile/0/001", &b"torn"[..]),
        ("tile/entries/x000/000", b""),
        ("tile/0/257.p/208", b""),
        ("tile/1/000", &[7; 8192]),
    ] {
        let path = folder.path().join("log").join(name);
        if path.exists() {
            fs::write(path, content).unwrap();
        }
    }
    fs::remove_file(folder.path().join("log/tile/entries/000")).unwrap();
    let log = open(&folder, &rows).unwrap();
    assert_eq!((log.published(), files(&folder)), (whole.clone(), before.clone()));
    check(&log, &folder, &rows);
    fs::remove_dir_all(folder.path().join("log/tile")).unwrap();
    let log = open(&folder, &rows).unwrap();
    assert_eq!((log.published(), files(&folder)), (whole.clone(), before.clone()));
    // Without the checkpoint, too: it is signed again, over the same tree.
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    let log = open(&folder, &rows).unwrap();
    assert_eq!((log.published(), files(&folder)), (whole, before));
}

#[test]
fn a_second_past_is_never_signed() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(300);
    open(&folder, &rows).unwrap();
    let state = |folder: &TempDir| {
        let read = |name: &String| fs::read(folder.path().join("log").join(name)).unwrap();
        files(folder).iter().map(read).collect::<Vec<_>>()
    };
    let before = state(&folder);
    let older = open(&folder, &Table::of(299)).unwrap_err();
    assert!(matches!(older, Error::Behind { signed: 300, rows: 299 }), "{older}");
    let other = Table::of(400);
    other.0.lock().unwrap()[7][30] ^= 1;
    let changed = open(&folder, &other).unwrap_err();
    assert!(matches!(changed, Error::Contradiction { size: 300, .. }), "{changed}");
    assert_eq!(state(&folder), before, "what was signed is evidence and stays");
    check(&open(&folder, &rows).unwrap(), &folder, &rows);
}

#[test]
fn a_checkpoint_that_cannot_be_read_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(5);
    open(&folder, &rows).unwrap();
    let path = folder.path().join("log/checkpoint");
    let note = fs::read_to_string(&path).unwrap();
    for text in [String::new(), note.replace("\n5\n", "\n4\n")] {
        fs::write(&path, text).unwrap();
        let error = open(&folder, &rows).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    }
    fs::remove_file(&path).unwrap();
    check(&open(&folder, &rows).unwrap(), &folder, &rows);
}

#[test]
fn a_failed_write_signs_nothing_and_is_made_good_later() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Table::of(100);
    let log = open(&folder, &rows).unwrap();
    let before = log.published();
    // A folder stands where the full tile has to go.
    let obstacle = folder.path().join("log/tile/0/000/x");
    fs::create_dir_all(&obstacle).unwrap();
    rows.grow(300);
    rows.1.lock().unwrap().clear();
    assert!(matches!(log.advance(&rows), Err(Error::File { .. })));
    assert!(log.advance(&rows).is_err());
    assert_eq!(log.published(), before);
    let asked = rows.1.lock().unwrap().clone();
    assert!(asked.len() >= 2 && asked.iter().all(|from| *from >= 100), "rows are read again: {asked:?}");
    fs::remove_dir_all(folder.path().join("log/tile/0/000")).unwrap();
    assert!(log.advance(&rows).unwrap());
    check(&log, &folder, &rows);
    assert_eq!(log.root_at(100).unwrap(), before.tree.root);
}

/// What is known to contradict its own past adds nothing to the damage.
#[test]
fn a_log_that_was_halted_signs_nothing_more() {
    let (folder, rows) = (tempfile::tempdir().unwrap(), Table::of(3));
    let log = open(&folder, &rows).unwrap();
    let before = check(&log, &folder, &rows);
    rows.grow(5);
    log.halt("anchored is another past".into());
    let error = log.advance(&rows).unwrap_err();
    assert!(error.to_string().contains("anchored is another past"), "{error}");
    assert_eq!(log.published().tree, before);
}

/// A log keeps its key: a new one would begin a second log in the name of the first.
#[test]
fn a_lost_key_is_not_made_anew() {
    let (folder, rows) = (tempfile::tempdir().unwrap(), Table::of(3));
    drop(open(&folder, &rows).unwrap());
    fs::remove_file(folder.path().join("log.key")).unwrap();
    let error = open(&folder, &rows).unwrap_err();
    assert!(error.to_string().contains("put the key back"), "{error}");
}
