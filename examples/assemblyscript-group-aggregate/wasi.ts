//! WASI preview 1 in AssemblyScript: the nine calls this program needs, declared by hand, and what it builds on them.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, bytes: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, text: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_get")
declare function fd_prestat_get(fd: u32, prestat: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
declare function fd_prestat_dir_name(fd: u32, path: usize, length: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(fd: u32, lookup: u32, path: usize, length: usize, open: u16, base: u64, inheriting: u64, flags: u16, opened: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, vectors: usize, count: usize, read: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, vectors: usize, count: usize, written: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_close")
declare function fd_close(fd: u32): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

const FD_READ: u64 = 1 << 1;
const FD_WRITE: u64 = 1 << 6;
const CREATE_AND_TRUNCATE: u16 = 1 | 8;

/** Each read is a call out of the sandbox and costs more than the bytes it brings. */
const CHUNK: i32 = 64 * 1024;

/** Room for the results of a call: two words, or a vector and a result. */
const SCRATCH = memory.data(16);

/** Prints `error: …` to the log and ends with 1, which marks the job as failed. */
export function fail(reason: string): void {
  write(2, String.UTF8.encode("error: " + reason + "\n"));
  proc_exit(1);
  unreachable();
}

/** What the compiler calls where the language itself fails; the module then needs no `env.abort`. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "stopped" : message;
  const where = file === null ? "?" : file;
  fail(what + " (" + where + ":" + line.toString() + ":" + column.toString() + ")");
}

export function print(line: string): void {
  write(1, String.UTF8.encode(line + "\n"));
}

export function args(): string[] {
  check(args_sizes_get(SCRATCH, SCRATCH + 4), "counting the arguments");
  const count = load<u32>(SCRATCH);
  const pointers = new ArrayBuffer(4 * count);
  const text = new ArrayBuffer(load<u32>(SCRATCH + 4));
  check(args_get(changetype<usize>(pointers), changetype<usize>(text)), "reading the arguments");
  const words = new Array<string>();
  for (let i: u32 = 0; i < count; i++) {
    const start = load<u32>(changetype<usize>(pointers) + 4 * i);
    let end = start;
    while (load<u8>(end) != 0) end++;
    words.push(String.UTF8.decodeUnsafe(start, end - start));
  }
  return words;
}

export function readFile(folder: string, name: string): string {
  const fd = open(folder, name, 0, FD_READ);
  let content = new Uint8Array(0);
  const chunk = new ArrayBuffer(CHUNK);
  while (true) {
    store<u32>(SCRATCH, <u32>changetype<usize>(chunk));
    store<u32>(SCRATCH + 4, CHUNK);
    check(fd_read(fd, SCRATCH, 1, SCRATCH + 8), "reading " + name);
    const got = load<u32>(SCRATCH + 8);
    if (got == 0) break;
    const longer = new Uint8Array(content.length + got);
    longer.set(content);
    longer.set(Uint8Array.wrap(chunk, 0, got), content.length);
    content = longer;
  }
  check(fd_close(fd), "closing " + name);
  return String.UTF8.decode(content.buffer);
}

export function writeFile(folder: string, name: string, text: string): void {
  const fd = open(folder, name, CREATE_AND_TRUNCATE, FD_WRITE);
  write(fd, String.UTF8.encode(text));
  check(fd_close(fd), "closing " + name);
}

function write(fd: u32, bytes: ArrayBuffer): void {
  for (let at: u32 = 0; at < <u32>bytes.byteLength; ) {
    store<u32>(SCRATCH, <u32>changetype<usize>(bytes) + at);
    store<u32>(SCRATCH + 4, <u32>bytes.byteLength - at);
    // There is nowhere to report a log that cannot be written, so a trap has to do.
    if (fd_write(fd, SCRATCH, 1, SCRATCH + 8) != 0) unreachable();
    at += load<u32>(SCRATCH + 8);
  }
}

function open(folder: string, name: string, how: u16, rights: u64): u32 {
  const path = String.UTF8.encode(name);
  const failure = path_open(folderAt(folder), 0, changetype<usize>(path), path.byteLength, how, rights, 0, 0, SCRATCH);
  check(failure, "opening " + folder + "/" + name);
  return load<u32>(SCRATCH);
}

/** The open folder of this name; they begin at 3, after the three streams. */
function folderAt(path: string): u32 {
  for (let fd: u32 = 3; fd_prestat_get(fd, SCRATCH) == 0; fd++) {
    const name = new ArrayBuffer(load<u32>(SCRATCH + 4));
    check(fd_prestat_dir_name(fd, changetype<usize>(name), name.byteLength), "naming a folder");
    if (String.UTF8.decode(name) == path) return fd;
  }
  fail("the folder " + path + " is not there");
  return 0;
}

function check(failure: u16, what: string): void {
  if (failure != 0) fail(what + ": WASI error " + failure.toString());
}
