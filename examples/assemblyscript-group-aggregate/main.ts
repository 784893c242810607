//! Totals per group in AssemblyScript: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.
//
// The language has neither files nor arguments; `wasi.ts` declares the host's calls. Compiled with `--exportStart _start`,
// because a provider refuses modules that run something while they are set up, and `--use abort=wasi/abort`.

import { byBytes, cellText, Csv, isMissing, numberText, parseNumber, position } from "./csv";
import { args, fail, print, readFile, writeFile } from "./wasi";

/** Neumaier's compensated sum, as every example here computes it, so that the bytes agree. */
class Group {
  count: u64 = 0;
  total: f64 = 0;
  lost: f64 = 0;
  min: f64 = Infinity;
  max: f64 = -Infinity;

  add(number: f64): void {
    const next = this.total + number;
    this.lost += Math.abs(this.total) >= Math.abs(number) ? this.total - next + number : number - next + this.total;
    this.total = next;
    this.count += 1;
    this.min = Math.min(this.min, number);
    this.max = Math.max(this.max, number);
  }

  sum(): f64 {
    return isFinite(this.total) ? this.total + this.lost : this.total;
  }
}

function parseOptions(words: string[]): Map<string, string> {
  const known = ["--by", "--value", "--file", "--min-group"];
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) {
    const key = words[i];
    if (!known.includes(key)) fail(key + " is not known here; known: " + known.join(", "));
    if (i + 1 == words.length) fail(key + " needs a value");
    if (options.has(key)) fail(key + " is given twice");
    options.set(key, words[i + 1]);
  }
  for (let i = 0; i < 3; i++) if (!options.has(known[i])) fail(known[i] + " VALUE is needed");
  return options;
}

function parseMinGroup(text: string): u64 {
  // 18 digits always fit.
  let number: u64 = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9 || text.length > 18) {
      number = 0;
      break;
    }
    number = 10 * number + digit;
  }
  if (number == 0) fail("--min-group " + text + ": a whole number of at least 1 is needed");
  return number;
}

function gather(text: string, by: string, value: string): Map<string, Group> {
  const csv = new Csv(text);
  const header = csv.next();
  const groups = new Map<string, Group>();
  if (header === null) {
    fail("the file is empty");
    return groups;
  }
  const byAt = position(header.cells, by);
  const valueAt = position(header.cells, value);
  for (let row = csv.next(); row !== null; row = csv.next()) {
    const cells = row.cells;
    const line = "line " + row.line.toString() + ": ";
    if (cells.length != header.cells.length) {
      fail(line + cells.length.toString() + " cells, but the header has " + header.cells.length.toString());
    }
    if (isMissing(cells[byAt]) || isMissing(cells[valueAt])) continue;
    const number = parseNumber(cells[valueAt]);
    // The cell itself stays out of the message: the log is read outside.
    if (isNaN(number)) fail(line + 'the column "' + value + '" holds something that is not a number');
    if (!groups.has(cells[byAt])) groups.set(cells[byAt], new Group());
    groups.get(cells[byAt]).add(number);
  }
  return groups;
}

function groupAggregate(): void {
  const words = args();
  if (words.length < 3) fail("the two folders are missing");
  const options = parseOptions(words.slice(3));
  const minGroup = parseMinGroup(options.has("--min-group") ? options.get("--min-group") : "5");
  const file = options.get("--file");
  const groups = gather(readFile(words[1], file), options.get("--by"), options.get("--value"));
  let table = cellText(options.get("--by")) + ",count,mean,min,max,sum\n";
  let suppressed = 0;
  const names = groups.keys();
  names.sort(byBytes);
  for (let i = 0; i < names.length; i++) {
    const group = groups.get(names[i]);
    if (group.count < minGroup) {
      suppressed++;
      continue;
    }
    const numbers = [group.sum() / <f64>group.count, group.min, group.max, group.sum()];
    table += cellText(names[i]) + "," + group.count.toString();
    for (let k = 0; k < numbers.length; k++) table += "," + numberText(numbers[k]);
    table += "\n";
  }
  writeFile(words[2], "groups.csv", table);
  print(file + ": " + (names.length - suppressed).toString() + " groups written");
  print(suppressed.toString() + " groups with fewer than " + minGroup.toString() + " values suppressed");
}

groupAggregate();
