//! CSV and numbers in AssemblyScript: rows, cells in quotes, strict reading and shortest writing of numbers.

import { shortest } from "./shortest";
import { fail } from "./wasi";

export class Row {
  cells: string[] = [];
  line: i32 = 0;
}

export class Csv {
  private at: i32;
  private line: i32 = 1;

  constructor(private text: string) {
    this.at = text.startsWith("\uFEFF") ? 1 : 0;
  }

  /** The next row that is not an empty line; nothing at the end of the file. */
  next(): Row | null {
    for (; this.code() == 0x0a || this.code() == 0x0d; this.at++) this.line += i32(this.code() == 0x0a);
    if (this.at >= this.text.length) return null;
    const row = new Row();
    row.line = this.line;
    while (this.cell(row)) {}
    return row;
  }

  private code(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  /** Reads one cell and what ends it; true if another cell follows in this row. */
  private cell(row: Row): bool {
    let quoted = this.code() == 0x22;
    this.at += i32(quoted);
    let content = "";
    let from = this.at;
    for (; this.at < this.text.length; this.at++) {
      const code = this.code();
      if (quoted && code == 0x22) {
        content += this.text.substring(from, this.at);
        // Of a doubled quotation mark the second one counts; a single one ends the quotation.
        from = this.at + 1;
        if (from < this.text.length && this.text.charCodeAt(from) == 0x22) this.at++;
        else quoted = false;
      } else if (!quoted && (code == 0x2c || code == 0x0a || code == 0x0d)) {
        break;
      } else {
        this.line += i32(code == 0x0a);
      }
    }
    row.cells.push(content + this.text.substring(from, this.at));
    const end = this.code();
    this.at++;
    this.line += i32(end == 0x0a);
    return end == 0x2c;
  }
}

/** Whether a cell holds no value: empty, or `NA` as R writes it. */
export function isMissing(cell: string): bool {
  const text = cell.trim();
  return text == "" || text == "NA";
}

/**
 * Decimal only, as the other examples; NaN for everything else. Exact where the digits are a whole number below 2^53 and
 * the exponent is at most 22, which measurements are; beyond that `parseFloat` can miss the nearest float.
 */
export function parseNumber(cell: string): f64 {
  const text = cell.trim();
  const whole = sign(text, 0);
  let at = digits(text, whole);
  let count = at - whole;
  let point = 0;
  if (isAt(text, at, 0x2e)) {
    const end = digits(text, at + 1);
    point = end - at - 1;
    count += point;
    at = end;
  }
  if (count == 0) return NaN;
  const mantissa = text.substring(whole, at).replace(".", "");
  let power = 0;
  if (isAt(text, at, 0x65) || isAt(text, at, 0x45)) {
    const start = sign(text, at + 1);
    const end = digits(text, start);
    if (start == end) return NaN;
    // Far beyond what a float can hold, but within what the variable can.
    power = end - start > 6 ? 999_999 : <i32>parseInt(text.substring(start, end));
    if (isAt(text, at + 1, 0x2d)) power = -power;
    at = end;
  }
  if (at != text.length) return NaN;
  power -= point;
  const plain = mantissa.length <= 18 ? U64.parseInt(mantissa) : u64.MAX_VALUE;
  if (plain >= <u64>1 << 53 || power < -22 || power > 22) {
    const number = parseFloat(text);
    return isFinite(number) ? number : NaN;
  }
  // Both are exact, so the one operation rounds to the nearest.
  let scale: f64 = 1;
  for (let i = 0; i < abs(power); i++) scale *= 10;
  const size = power < 0 ? <f64>plain / scale : <f64>plain * scale;
  return text.startsWith("-") ? -size : size;
}

function isAt(text: string, at: i32, code: i32): bool {
  return at < text.length && text.charCodeAt(at) == code;
}

function sign(text: string, at: i32): i32 {
  return at + i32(isAt(text, at, 0x2b) || isAt(text, at, 0x2d));
}

function digits(text: string, from: i32): i32 {
  let at = from;
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++;
  return at;
}

/** A number as text: the fewest digits that read back as the same bits, with an exponent below 1e-4 and from 1e16. */
export function numberText(number: f64): string {
  if (!isFinite(number)) return number > 0 ? "inf" : number < 0 ? "-inf" : "NaN";
  const minus = reinterpret<i64>(number) < 0 ? "-" : "";
  if (number == 0) return minus + "0";
  const digits = shortest(Math.abs(number));
  const text = digits.text;
  const power = digits.power;
  if (power < -4 || power >= 16) {
    return minus + text.charAt(0) + (text.length > 1 ? "." + text.substring(1) : "") + "e" + power.toString();
  }
  if (power < 0) return minus + "0." + "0".repeat(-power - 1) + text;
  if (text.length <= power + 1) return minus + text + "0".repeat(power + 1 - text.length);
  return minus + text.substring(0, power + 1) + "." + text.substring(power + 1);
}

/** A cell as it is written: in quotes where it needs them. */
export function cellText(text: string): string {
  const plain = text != "" && !text.includes(",") && !text.includes('"') && !text.includes("\n") && !text.includes("\r");
  return plain ? text : '"' + text.replaceAll('"', '""') + '"';
}

/** By the bytes of UTF-8; the language itself would compare halves of characters. */
export function byBytes(a: string, b: string): i32 {
  const left = String.UTF8.encode(a);
  const right = String.UTF8.encode(b);
  const length = min(left.byteLength, right.byteLength);
  const order = memory.compare(changetype<usize>(left), changetype<usize>(right), length);
  return order != 0 ? order : left.byteLength - right.byteLength;
}

export function position(header: string[], column: string): i32 {
  const at = header.indexOf(column);
  if (at < 0) fail('there is no column "' + column + '"; the columns are: ' + header.join(", "));
  return at;
}
