// What a client of the corpus saw: every byte searched for protected values in the forms that an attacker can turn back, and the
// meaning of the answers, compared between two runs.

import type { Case, Step } from './corpus/cases.ts';
import { stepOf } from './corpus/cases.ts';
import type { Seen } from './client.ts';

/** Characters by which a form is looked up. */
const gram = 6;

/** Texts to be found in another, all at once. */
class Needles {
  readonly #byStart = new Map<string, string[]>();

  constructor(needles: readonly string[]) {
    for (const needle of new Set(needles)) {
      const start = needle.slice(0, gram);
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), needle]);
    }
  }

  /** The first that is found; null = none is. */
  firstIn(text: string): string | null {
    for (let index = 0; index + gram <= text.length; index += 1) {
      const found = this.#byStart
        .get(text.slice(index, index + gram))
        ?.find((needle) => text.startsWith(needle, index) && isApart(needle, text, index));
      if (found !== undefined) return found;
    }
    return null;
  }
}

/** A short number within a longer one, such as a time or an id, is a number of its own by chance. */
function isApart(needle: string, text: string, index: number): boolean {
  if (!/^\d{1,8}$/.test(needle)) return true;
  return !/[0-9a-f]/.test(text[index - 1] ?? '') && !/[0-9a-f]/.test(text[index + needle.length] ?? '');
}

/** Protected values of a database in all their forms. */
export class Secrets {
  readonly #forms: Needles;
  /** Letters and digits only. */
  readonly #bare: Needles;

  constructor(values: readonly string[]) {
    const long = [...new Set(values)].filter((value) => value.length >= gram);
    this.#forms = new Needles(long.flatMap(formsOf));
    this.#bare = new Needles(long.map(bare).filter((value) => value.length >= 8));
  }

  /** The first that appears; null = none does. */
  firstIn(bytes: readonly Buffer[], rows: readonly (readonly (string | null)[])[], more: readonly string[]): string | null {
    const text = Buffer.concat(bytes.flatMap((part) => [part, Buffer.from('\n')])).toString('utf8');
    const cells = rows.flat().filter((cell) => cell !== null);
    const all = `${text}\n${unescaped(text)}\n${cells.flatMap(decode).join('\n')}`.toLowerCase();
    // Cut into pieces: the letters of a column from top to bottom, and of a row from left to right.
    const width = Math.max(0, ...rows.map((row) => row.length));
    const streams = [cells.join(''), ...Array.from({ length: width }, (_, index) => rows.map((row) => row[index] ?? '').join(''))];
    const own = more.flatMap(formsOf).find((form) => all.includes(form));
    return own ?? this.#forms.firstIn(all) ?? this.#bare.firstIn(streams.map(bare).join('\n'));
  }
}

const bare = (text: string): string => text.replaceAll(/[^\p{L}\p{N}]/gu, '').toLowerCase();
const unescaped = (text: string): string =>
  text.replaceAll(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCodePoint(parseInt(code, 16))).replaceAll('\\', '');

/** In lower case. */
function formsOf(given: string): string[] {
  return formsAsWritten(given).map((form) => form.toLowerCase());
}

function formsAsWritten(value: string): string[] {
  const reversed = Array.from(value).toReversed().join('');
  const bytes = Buffer.from(value);
  // The end of the encoding depends on what follows.
  const base64 = bytes.toString('base64').replaceAll('=', '').slice(0, -2);
  return [
    value,
    reversed,
    bytes.toString('hex'),
    ...(base64.length >= 10 ? [base64] : []),
    ...[' ', ',', '|'].map((between) => Array.from(value).join(between)),
  ];
}

function decode(cell: string): string[] {
  const hex = /^(?:[0-9a-f]{2}){4,}$/i.test(cell) ? [Buffer.from(cell, 'hex').toString('latin1')] : [];
  return [...hex, ...(cell.match(/[A-Za-z0-9+/]{12,}={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64').toString('latin1'))];
}

const queryId = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const token = /tok_[a-z]+_[a-z0-9]{1,8}_[0-9a-f]{80,160}|\b[0-9a-f]{32}\b/gi;

/** Everything that means something to a client, one line per answer and row. What `hide` lists is replaced. */
export function transcript(answers: readonly Seen[], hide: readonly string[] = []): string[] {
  const numbers = new Map<string, number>();
  const numberOf = (shown: string): string => {
    if (!numbers.has(shown)) numbers.set(shown, numbers.size);
    return `#${numbers.get(shown)}`;
  };
  const lines = answers.flatMap(({ isError, code, sqlState, message, columns, rows }) =>
    isError
      ? [`error ${code} ${sqlState} ${message}`]
      : [
          `columns ${columns.map(({ name, type, scale, database, schema, table }) => [name, type, scale, database, schema, table].join(':')).join(' ')}`,
          ...rows.map((row) => JSON.stringify(row)),
        ],
  );
  return lines.map((line) =>
    hide
      .reduce((rest, literal) => rest.replaceAll(literal, '?').replaceAll(literal.toUpperCase(), '?'), line)
      .replaceAll(queryId, '#query')
      .replaceAll(/ses_[a-z0-9]+/g, 'ses_')
      .replaceAll(token, numberOf),
  );
}

/** What `sql` and `control` say in quotes may differ, and be quoted back. */
export function literals({ sql, control }: Case): string[] {
  const texts = (steps: readonly (string | Step)[] | undefined): string[] =>
    JSON.stringify((steps ?? []).map(stepOf)).match(/'[^'\\]*'|"value":"[^"]*"/g) ?? [];
  const found = [...texts(sql), ...texts(control)]
    .map((text) => text.replace(/^"value":"|^'|'$|"$/g, '').replace(/["']$/, ''))
    .filter((text) => text.length > 2);
  return [...new Set(found)].sort((a, b) => b.length - a.length);
}

/** Null = there is none. */
export function firstDifference(a: readonly string[], b: readonly string[]): string | null {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1)
    if (a[index] !== b[index]) return `${(a[index] ?? 'nothing').slice(0, 160)} <> ${(b[index] ?? 'nothing').slice(0, 160)}`;
  return null;
}

export const tokensIn = (answers: readonly Seen[]): string[] => [
  ...new Set(
    answers.flatMap(({ rows }) =>
      rows.flatMap((row) => row.flatMap((cell) => cell?.match(/tok_[a-z]+_[a-z0-9]{1,8}_[0-9a-f]{80,160}/g) ?? [])),
    ),
  ),
];
