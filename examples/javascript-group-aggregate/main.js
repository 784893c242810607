//! Totals per group in JavaScript: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.
//
// A component: there is no `fs` and no `process`, so arguments and files come from WASI preview 2 itself.

import { getArguments } from 'wasi:cli/environment@0.2.10';
import { cell, isMissing, numberText, parseNumber, rows } from './csv.js';
import { readFile, writeFile } from './files.js';

const KNOWN = ['--by', '--value', '--file', '--min-group'];

/** Neumaier's compensated sum, as every example here computes it, so that the bytes agree. */
class Group {
  count = 0;
  total = 0;
  lost = 0;
  min = Infinity;
  max = -Infinity;

  add(number) {
    const next = this.total + number;
    this.lost += Math.abs(this.total) >= Math.abs(number) ? this.total - next + number : number - next + this.total;
    this.total = next;
    this.count += 1;
    this.min = Math.min(this.min, number);
    this.max = Math.max(this.max, number);
  }

  get sum() {
    return Number.isFinite(this.total) ? this.total + this.lost : this.total;
  }
}

function parseOptions(words) {
  const options = new Map();
  for (let i = 0; i < words.length; i += 2) {
    const [key, value] = [words[i], words[i + 1]];
    if (!KNOWN.includes(key)) throw new Error(`${key} is not known here; known: ${KNOWN.join(', ')}`);
    if (value === undefined) throw new Error(`${key} needs a value`);
    if (options.has(key)) throw new Error(`${key} is given twice`);
    options.set(key, value);
  }
  const missing = KNOWN.slice(0, 3).find((key) => !options.has(key));
  if (missing !== undefined) throw new Error(`${missing} VALUE is needed`);
  return options;
}

function parseMinGroup(text = '5') {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || number === 0 || !Number.isSafeInteger(number)) {
    throw new Error(`--min-group ${text}: a whole number of at least 1 is needed`);
  }
  return number;
}

function position(header, column) {
  const at = header.indexOf(column);
  if (at < 0) throw new Error(`there is no column ${JSON.stringify(column)}; the columns are: ${header.join(', ')}`);
  return at;
}

function gather(text, by, value) {
  const table = rows(text);
  const header = table.next().value?.cells;
  if (header === undefined) throw new Error('the file is empty');
  const [byAt, valueAt] = [position(header, by), position(header, value)];
  const groups = new Map();
  for (const { cells, line } of table) {
    if (cells.length !== header.length) {
      throw new Error(`line ${line}: ${cells.length} cells, but the header has ${header.length}`);
    }
    if (isMissing(cells[byAt]) || isMissing(cells[valueAt])) continue;
    const number = parseNumber(cells[valueAt]);
    // The cell itself stays out of the message: the log is read outside.
    if (number === undefined) {
      throw new Error(`line ${line}: the column ${JSON.stringify(value)} holds something that is not a number`);
    }
    if (!groups.has(cells[byAt])) groups.set(cells[byAt], new Group());
    groups.get(cells[byAt]).add(number);
  }
  return groups;
}

/** By the bytes of UTF-8, which is the order of code points; JavaScript itself would compare halves of them. */
function byBytes([a], [b]) {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    if (left[i] !== right[i]) return left[i].codePointAt(0) - right[i].codePointAt(0);
  }
  return left.length - right.length;
}

function groupAggregate() {
  const [, inputs, outputs, ...words] = getArguments();
  if (outputs === undefined) throw new Error('the two folders are missing');
  const options = parseOptions(words);
  const minGroup = parseMinGroup(options.get('--min-group'));
  const [file, by] = [options.get('--file'), options.get('--by')];
  const groups = gather(readFile(inputs, file), by, options.get('--value'));
  const shown = [...groups].filter(([, group]) => group.count >= minGroup).sort(byBytes);
  const lines = shown.map(([name, group]) => {
    const numbers = [group.sum / group.count, group.min, group.max, group.sum].map(numberText);
    return [cell(name), group.count, ...numbers].join(',');
  });
  writeFile(outputs, 'groups.csv', [`${cell(by)},count,mean,min,max,sum`, ...lines, ''].join('\n'));
  console.log(`${file}: ${shown.length} groups written`);
  console.log(`${groups.size - shown.length} groups with fewer than ${minGroup} values suppressed`);
}

/** `wasi:cli/run`: what is thrown becomes the result's error, and that the exit code 1. */
export const run = {
  run() {
    try {
      groupAggregate();
    } catch (error) {
      console.error(`error: ${error.message}`);
      throw error;
    }
  },
};
