// Prints the demo: numbered steps, statements, small tables and checks. Plain when the output is not a terminal.

import Table from 'cli-table3';
import pc from 'picocolors';

const maxCellChars = 42;
const maxColumns = 9;

export class Stage {
  readonly #write: (text: string) => void;
  #steps = 0;
  #failures = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Checks that did not hold so far. */
  get failures(): number {
    return this.#failures;
  }

  step(title: string, command: string): void {
    this.#steps += 1;
    this.#write(`\n${pc.bold(`${this.#steps}. ${title}`)}\n`);
    for (const line of command.split('\n')) this.#write(`   ${pc.cyan(line)}\n`);
  }

  line(text: string): void {
    this.#write(`   ${text}\n`);
  }

  /** At most nine columns, long cells cut: the demo is read on an ordinary terminal. */
  table(fields: readonly string[], rows: readonly (readonly (string | null)[])[]): void {
    const shown = fields.slice(0, maxColumns);
    const table = new Table({
      head: shown.map((name) => pc.bold(name)),
      style: { head: [], border: [], compact: true },
      chars: {
        top: '',
        'top-mid': '',
        'top-left': '',
        'top-right': '',
        bottom: '',
        'bottom-mid': '',
        'bottom-left': '',
        'bottom-right': '',
        left: '   ',
        right: '',
        middle: ' ',
        mid: '',
        'left-mid': '',
        'mid-mid': '',
        'right-mid': '',
      },
    });
    for (const row of rows) table.push(row.slice(0, maxColumns).map((value) => cut(value ?? pc.dim('null'))));
    this.#write(`${table.toString()}\n`);
    if (fields.length > maxColumns) this.line(pc.dim(`(and ${fields.length - maxColumns} more columns)`));
  }

  check(what: string, holds: boolean): void {
    if (!holds) this.#failures += 1;
    this.#write(`   ${holds ? pc.green('holds') : pc.red('DOES NOT HOLD')}: ${what}\n`);
  }
}

function cut(text: string): string {
  return text.length <= maxCellChars ? text : `${text.slice(0, maxCellChars - 1)}…`;
}
