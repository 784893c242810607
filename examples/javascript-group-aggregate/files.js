//! Whole files through WASI preview 2: a folder that was opened for us, and a path below it.

import { getDirectories } from 'wasi:filesystem/preopens@0.2.10';

/** Each read is a call out of the sandbox and costs more than the bytes it brings. */
const CHUNK = 64 * 1024;

/** The text of a file; what is not UTF-8 is an error. */
export function readFile(folder, name) {
  const file = open(folder, name, {}, { read: true });
  const chunks = [];
  let [length, ended] = [0, false];
  while (!ended) {
    const [bytes, end] = attempt(`reading ${name}`, () => file.read(BigInt(CHUNK), BigInt(length)));
    chunks.push(bytes);
    length += bytes.length;
    ended = end || bytes.length === 0;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const bytes of chunks) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole);
}

/** Creates or replaces a file. */
export function writeFile(folder, name, text) {
  const file = open(folder, name, { create: true, truncate: true }, { write: true });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) {
    at += Number(attempt(`writing ${name}`, () => file.write(bytes.subarray(at, at + CHUNK), BigInt(at))));
  }
}

function open(folder, name, openFlags, flags) {
  const found = getDirectories().find(([, path]) => path === folder);
  if (found === undefined) throw new Error(`the folder ${folder} is not there`);
  return attempt(`opening ${folder}/${name}`, () => found[0].openAt({}, name, openFlags, flags));
}

/** An error of WASI carries its code as `payload`. */
function attempt(what, action) {
  try {
    return action();
  } catch (error) {
    throw new Error(`${what}: ${error.payload ?? error.message}`);
  }
}
