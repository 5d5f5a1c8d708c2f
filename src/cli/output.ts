// How answers are printed: a table on a terminal, tab-separated lines in a pipe, one JSON document with --json.
// INVARIANT: text from elsewhere never controls the terminal; control characters are shown, not sent.

import Table from 'cli-table3';
import picocolors from 'picocolors';
import { SallyportError, ERROR_CODES } from '../core/error.ts';
import { CliFailure, EXIT } from './failure.ts';
import type { CliIo } from './io.ts';

type Colors = ReturnType<typeof picocolors.createColors>;

// C0, DEL, C1, and the invisible marks that reorder or hide text.
const UNPRINTABLE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** One line, safe for a terminal: control and text-direction characters become visible escapes. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

export class Output {
  readonly isJson: boolean;
  readonly colors: Colors;
  readonly errorColors: Colors;
  readonly #io: CliIo;

  constructor(io: CliIo, isJson: boolean) {
    this.#io = io;
    this.isJson = isJson;
    const mayColor = !io.env['NO_COLOR'] && io.env['TERM'] !== 'dumb' && !isJson;
    this.colors = picocolors.createColors(mayColor && io.stdout.isTTY);
    this.errorColors = picocolors.createColors(mayColor && io.stderr.isTTY);
  }

  get isTerminal(): boolean {
    return this.#io.stdout.isTTY && !this.isJson;
  }

  line(text = ''): void {
    this.#io.stdout.write(`${text}\n`);
  }

  /** For people, not for pipes: progress, hints. */
  note(text: string): void {
    if (!this.isJson) this.#io.stderr.write(`${this.errorColors.dim(printable(text))}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** One JSON value on one line, for endless output. */
  jsonLine(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /** Cells are made printable here; `paint` may colour a whole cell of the terminal form. */
  table(head: readonly string[], rows: readonly (readonly string[])[], paint?: (cell: string, column: number) => string): void {
    if (!this.isTerminal) {
      for (const row of [head, ...rows]) this.line(row.map(printable).join('\t'));
      return;
    }
    const table = new Table({
      head: head.map((cell) => this.colors.bold(cell)),
      style: { head: [], border: this.colors.isColorSupported ? ['gray'] : [] },
      wordWrap: true,
      ...widthsFor(head, rows, this.#io.stdout.columns),
    });
    for (const row of rows) {
      table.push(row.map((cell, column) => (paint === undefined ? printable(cell) : paint(printable(cell), column))));
    }
    this.line(table.toString());
  }

  /** `key  value` lines. */
  facts(pairs: readonly (readonly [string, string])[]): void {
    const width = Math.max(0, ...pairs.map(([key]) => key.length));
    for (const [key, value] of pairs) this.line(`${this.colors.dim(key.padEnd(width))}  ${printable(value)}`);
  }

  /** Prints a failure and says with which code to exit. */
  failure(error: unknown): number {
    const { code, what, why, next, exitCode } = describe(error);
    if (this.isJson) {
      this.#io.stderr.write(`${JSON.stringify({ error: { code, what, why, next } })}\n`);
      return exitCode;
    }
    const { red, dim } = this.errorColors;
    const lines = [`${red('error:')} ${visibleLines(what)}`];
    if (why !== null) lines.push(`  ${dim('why:')}  ${printable(why)}`);
    if (next !== null) lines.push(`  ${dim('next:')} ${printable(next)}`);
    this.#io.stderr.write(`${lines.join('\n')}\n`);
    return exitCode;
  }
}

function visibleLines(text: string): string {
  return text.split('\n').map(printable).join('\n       ');
}

function describe(error: unknown): { code: string; what: string; why: string | null; next: string | null; exitCode: number } {
  if (error instanceof CliFailure) {
    return { code: error.code, what: error.message, why: error.why, next: error.next, exitCode: error.exitCode };
  }
  if (error instanceof SallyportError) {
    const { text, remedy, category } = ERROR_CODES[error.code];
    // Messages of ours are for operators, which is who runs commands that fail locally.
    const isConfig = category === 'config';
    return {
      code: error.code,
      what: isConfig ? error.message : text,
      why: isConfig ? null : `${error.message} (${error.code})`,
      next: remedy,
      exitCode: isConfig ? EXIT.usage : EXIT.failed,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'SP_INTERNAL', what: message, why: null, next: null, exitCode: EXIT.failed };
}

/** Column widths when the natural ones do not fit: the widest columns give way. */
function widthsFor(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  terminalColumns: number | undefined,
): { colWidths?: number[] } {
  const natural = head.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]?.length ?? 0)) + 2);
  const available = (terminalColumns ?? 120) - head.length - 1;
  const total = natural.reduce((sum, width) => sum + width, 0);
  if (total <= available) return {};
  const least = 10;
  let excess = total - available;
  const widths = [...natural];
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= least) break;
    const at = widths.indexOf(widest);
    const next = Math.max(least, ...widths.filter((width) => width < widest));
    const cut = Math.min(widest - next || 1, excess);
    widths[at] = widest - cut;
    excess -= cut;
  }
  return { colWidths: widths };
}
