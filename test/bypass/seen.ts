// What a client saw: every byte of it, searched for secrets in the forms that an attacker can turn back, and compared
// between two runs.

import type { Case, Step } from './cases.ts';
import { type Message, type ResultColumn, errorFields, resultColumns, rowValues } from './client.ts';

export interface Ran {
  readonly isStartupRefused: boolean;
  readonly startup: readonly Message[];
  readonly steps: readonly { readonly messages: readonly Message[]; readonly ms: number }[];
  /** What came unasked afterwards. */
  readonly later: readonly Message[];
}

interface ResultSet {
  readonly columns: readonly Pick<ResultColumn, 'name'>[];
  readonly rows: (Buffer | null)[][];
}

export interface View {
  readonly text: string;
  readonly latin: string;
  readonly folded: string;
  /** Cells as hex, to find binary values. */
  readonly hex: string;
  /** Letters and digits only: of all cells, and of each column from top to bottom. */
  readonly streams: readonly string[];
  /** What cells decode to as hex or base64. */
  readonly decoded: string;
  readonly sets: readonly ResultSet[];
}

const bare = (text: string): string => text.replaceAll(/[^0-9a-z]/gi, '').toLowerCase();

export function viewOf(ran: Ran): View {
  const bytes: Buffer[] = [];
  const cells: Buffer[] = [];
  const sets: ResultSet[] = [];
  for (const { type, body } of [...ran.startup, ...ran.steps.flatMap((step) => step.messages), ...ran.later]) {
    if ('DdENASCTV'.includes(type)) bytes.push(body);
    if (type === 'T') sets.push({ columns: resultColumns(body), rows: [] });
    if (type === 'D') {
      const values = rowValues(body);
      const current = sets.at(-1);
      if (current?.columns.length === values.length) current.rows.push(values);
      else sets.push({ columns: values.map((_, index) => ({ name: `#${index}` })), rows: [values] });
      for (const value of values) if (value !== null) cells.push(value);
    }
    if (type === 'V' && body.length > 4) cells.push(body.subarray(4));
    if (type === 'd') cells.push(body);
  }
  const all = Buffer.concat(bytes);
  const text = all.toString('utf8');
  const latin = all.toString('latin1');
  return {
    text,
    latin,
    folded: latin.toLowerCase() + text.toLowerCase(),
    hex: cells.map((cell) => cell.toString('hex')).join('|'),
    streams: [cells.map((cell) => cell.toString('utf8')).join(''), ...sets.flatMap(columnsDown)].map(bare),
    decoded: cells.flatMap(decode).join('\n').toLowerCase(),
    sets,
  };
}

function columnsDown({ columns, rows }: ResultSet): string[] {
  return columns.map((_, index) => rows.map((row) => row[index]?.toString('utf8') ?? '').join(''));
}

function decode(cell: Buffer): string[] {
  const text = cell.toString('latin1').trim();
  const hex = /^(?:\\x)?([0-9a-f]{8,})$/i.exec(text)?.[1];
  const found = (text.match(/[A-Za-z0-9+/]{12,}={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64').toString('latin1'));
  return hex === undefined ? found : [...found, Buffer.from(hex.slice(0, hex.length & ~1), 'hex').toString('latin1')];
}

export function shows(view: View, secret: string): boolean {
  const folded = secret.toLowerCase();
  if (view.text.includes(secret) || view.latin.includes(secret) || view.folded.includes(folded) || view.decoded.includes(folded))
    return true;
  if (/^[0-9a-f]{8,}$/i.test(secret) && secret.length % 2 === 0 && view.hex.includes(folded)) return true;
  const stripped = bare(secret);
  return stripped.length >= 8 && view.streams.some((stream) => stream.includes(stripped));
}

/** Values of the last result column of that name, top to bottom. */
export function columnOf(view: View, name: string): (string | null)[] | null {
  for (const { columns, rows } of view.sets.toReversed()) {
    const index = columns.findIndex((column) => column.name === name);
    if (index >= 0) return rows.map((row) => row[index]?.toString('latin1') ?? null);
  }
  return null;
}

export function isRefused(ran: Ran): boolean {
  return ran.isStartupRefused || ran.steps.some((step) => step.messages.some(({ type }) => type === 'E' || type.startsWith('!')));
}

/** Everything that means something to a client, one line per message. What `hide` lists is replaced. */
export function transcript(ran: Ran, hide: readonly string[] = []): string[] {
  const lines = ran.isStartupRefused ? ['startup-refused'] : [];
  for (const { messages } of ran.steps) {
    for (const message of messages) {
      const line = lineOf(message);
      if (line !== null) lines.push(`${message.type} ${hide.reduce((rest, literal) => rest.replaceAll(literal, '?'), line)}`);
    }
  }
  return lines;
}

/** OIDs of user types differ between databases. */
const firstUserOid = 16_384;

function lineOf({ type, body }: Message): string | null {
  if (type === 'T') {
    return resultColumns(body)
      .map(({ name, type: oid, format }) => `${name}:${oid >= firstUserOid ? 'U' : oid}:${format}`)
      .join(',');
  }
  if (type === 'E' || type === 'N') {
    const { C, M } = errorFields(body);
    return `${C} ${M}`;
  }
  return ['D', 'd', 'C', 'n', 's', 'I', 'G', 'H', 'V', 'A', '!closed'].includes(type) ? body.toString('latin1') : null;
}

export function errorsIn(ran: Ran): string {
  return transcript(ran)
    .filter((line) => /^[E!]/.test(line))
    .join('; ')
    .slice(0, 240);
}

/** What `sql` and `control` say in quotes may differ, and be quoted back. */
export function literals(each: Case): string[] {
  const quoted = (steps: readonly Step[] | undefined): string[] => JSON.stringify(steps ?? []).match(/'[^'\\]*'/g) ?? [];
  const found = [...quoted(each.sql), ...quoted(each.control)].map((text) => text.slice(1, -1)).filter((text) => text.length > 2);
  return [...new Set(found)].sort((a, b) => b.length - a.length);
}

/** Tokens and digests are keyed by target: which of them are equal is all that they tell. */
export function withNumberedTokens(lines: readonly string[]): string[] {
  const numbers = new Map<string, number>();
  const numberOf = (token: string): string => {
    if (!numbers.has(token)) numbers.set(token, numbers.size);
    return `#${numbers.get(token)}`;
  };
  return lines.map((line) =>
    line.replaceAll(/tok_[a-z]+_[a-z0-9]{1,8}_(?:[0-9a-f]{160}|[0-9a-f]{144}|[0-9a-f]{80})|\b[0-9a-f]{32}\b/g, numberOf),
  );
}

/** Null = there is none. */
export function firstDifference(a: readonly string[], b: readonly string[]): string | null {
  const length = Math.max(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    if (a[index] !== b[index])
      return `${JSON.stringify((a[index] ?? '').slice(0, 140))} <> ${JSON.stringify((b[index] ?? '').slice(0, 140))}`;
  }
  return null;
}
