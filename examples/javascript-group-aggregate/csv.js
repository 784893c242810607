//! CSV and numbers in JavaScript: rows, cells in quotes, strict reading and shortest writing of numbers.

/** Yields `{ cells, line }` for each row that is not an empty line. */
export function* rows(text) {
  let [at, line] = [text.startsWith('\ufeff') ? 1 : 0, 1];
  while (at < text.length) {
    if (text[at] === '\n' || text[at] === '\r') {
      line += text[at] === '\n' ? 1 : 0;
      at += 1;
      continue;
    }
    const row = { cells: [], line };
    let end = ',';
    while (end === ',') {
      let [content, quoted] = ['', text[at] === '"'];
      at += quoted ? 1 : 0;
      for (; at < text.length && (quoted || !/[,\r\n]/.test(text[at])); at += 1) {
        if (quoted && text[at] === '"') {
          if (text[at + 1] !== '"') {
            quoted = false;
            continue;
          }
          at += 1;
        }
        line += text[at] === '\n' ? 1 : 0;
        content += text[at];
      }
      end = text[at];
      at += 1;
      row.cells.push(content);
    }
    line += end === '\n' ? 1 : 0;
    yield row;
  }
}

/** Whether a cell holds no value: empty, or `NA` as R writes it. */
export function isMissing(text) {
  return ['', 'NA'].includes(text.trim());
}

/** Decimal only: `Number` would also take `Infinity`, hexadecimal and nothing at all. */
export function parseNumber(text) {
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text.trim())) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** The fewest digits that read back as `number`; an exponent below 1e-4 and from 1e16, as Rust's `{:?}` does. */
export function numberText(number) {
  const size = Math.abs(number);
  if (!Number.isFinite(number)) return number > 0 ? 'inf' : number < 0 ? '-inf' : 'NaN';
  // `String` drops the sign of zero, and takes to exponents later than the others.
  if (size === 0) return Object.is(number, -0) ? '-0' : '0';
  return size >= 1e-4 && size < 1e16 ? String(number) : number.toExponential().replace('e+', 'e');
}

/** A cell as it is written: in quotes where it needs them. */
export function cell(text) {
  return text !== '' && !/[,"\r\n]/.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}
