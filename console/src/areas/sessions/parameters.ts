// Bind parameters as people read them.

import { SallyportError } from '../../../../src/core/error.ts';
import { ByteReader } from '../../../../src/wire/byte-reader.ts';
import { cellText } from './frames.ts';

const binaryFormat = 1;

/** `$1 = 'x'`, one a line. Of the fields of a Bind message: formats (one for all, or one each), then values. Payloads may be cut: what
 *  came whole is shown, then `…`. */
export function parametersText(bytes: Uint8Array): string {
  const lines: string[] = [];
  try {
    const reader = new ByteReader(bytes);
    const formats = Array.from({ length: reader.uint16() }, () => reader.int16());
    const values = reader.uint16();
    for (let at = 0; at < values; at += 1) {
      const length = reader.int32();
      const isBinary = ((formats.length === 1 ? formats[0] : formats[at]) ?? 0) === binaryFormat;
      lines.push(`$${at + 1} = ${literal(length === -1 ? null : reader.bytes(length), isBinary)}`);
    }
  } catch (fault) {
    if (!(fault instanceof SallyportError)) throw fault;
    lines.push('…');
  }
  return lines.join('\n');
}

function literal(value: Uint8Array | null, isBinary: boolean): string {
  const text = cellText(value, isBinary);
  if (text === null) return 'NULL';
  return isBinary ? `${text} (binary)` : `'${text.replaceAll("'", "''")}'`;
}
