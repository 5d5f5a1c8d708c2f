// Renders sealed payloads of a session in order. Opening happens on this machine; a payload that was destroyed or
// does not match its hash in the log is said to be so, never skipped.

import { SallyportError } from '../core/error.ts';
import type { Secret } from '../core/secret.ts';
import type { RecordedEvent, Recording } from '../wire/pg-recording.ts';
import { decodeRecording } from '../wire/pg-recording.ts';
import type { RecordingItem } from './answers.ts';
import type { Output } from './output.ts';
import { printable } from './output.ts';
import type { Unsealer } from './ports.ts';

export type OpenedItem =
  | { readonly kind: 'opened'; readonly bytes: Uint8Array; readonly truncated: boolean }
  | { readonly kind: 'destroyed' }
  | { readonly kind: 'fault'; readonly what: string };

/** Opens one payload; it must be exactly what the log entry names. */
export async function openItem(item: RecordingItem, identity: Secret, unseal: Unsealer): Promise<OpenedItem> {
  if (item.ciphertext === null || item.wrappedKey === null) return { kind: 'destroyed' };
  const ciphertext = new Uint8Array(Buffer.from(item.ciphertext, 'base64'));
  try {
    const { bytes, truncated } = await unseal(ciphertext, item.wrappedKey, identity, item.sealed);
    return { kind: 'opened', bytes, truncated };
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    return { kind: 'fault', what: error.message };
  }
}

export class Replay {
  readonly #out: Output;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #speed: number;
  #lastMs: number | null = null;
  #faults = 0;
  #shown = 0;

  /** @param deps.speed times faster than it was; 0 = no waiting */
  constructor(deps: { readonly out: Output; readonly sleep: (ms: number) => Promise<void>; readonly speed: number }) {
    this.#out = deps.out;
    this.#sleep = deps.sleep;
    this.#speed = deps.speed;
  }

  async show(item: RecordingItem, opened: OpenedItem): Promise<void> {
    await this.#waitUntil(Date.parse(item.ts));
    this.#shown += 1;
    if (opened.kind === 'fault') this.#faults += 1;
    if (this.#out.isJson) {
      this.#out.jsonLine(jsonOf(item, opened));
      return;
    }
    const { dim, red, bold } = this.#out.colors;
    const mark = dim(`${item.ts} #${item.seq}`);
    if (opened.kind === 'destroyed') this.#out.line(`${mark} ${dim(`${item.sealed.kind} was destroyed (retention)`)}`);
    else if (opened.kind === 'fault') this.#out.line(`${mark} ${red(printable(`${item.sealed.kind}: ${opened.what}`))}`);
    else if (item.sealed.kind === 'result') await this.#showResult(mark, opened.bytes);
    else {
      const text = new TextDecoder().decode(opened.bytes);
      const cut = opened.truncated ? dim(' (cut: it was longer than the gateway keeps)') : '';
      const shown = text.split('\n').map(printable).join('\n  ');
      this.#out.line(`${mark} ${item.sealed.kind === 'statement' ? bold(`> ${shown}`) : `${item.sealed.kind}: ${shown}`}${cut}`);
    }
  }

  /** @returns how many payloads could not be shown though they exist. */
  finish(): number {
    if (this.#shown === 0) this.#out.note('nothing was recorded for this session');
    return this.#faults;
  }

  async #showResult(mark: string, bytes: Uint8Array): Promise<void> {
    const recording = decodedOrNull(bytes);
    if (recording === null) {
      this.#faults += 1;
      this.#out.line(`${mark} ${this.#out.colors.red('result: not a recording this version can read')}`);
      return;
    }
    this.#out.line(mark);
    let columns: readonly string[] = [];
    let binary: readonly boolean[] = [];
    let rows: string[][] = [];
    let startedMs = 0;
    const flush = (): void => {
      if (rows.length > 0) this.#out.table(columns.length > 0 ? columns : (rows[0] ?? []).map((_, at) => `${at + 1}`), rows);
      rows = [];
    };
    for (const event of recording.events) {
      if (this.#speed > 0 && event.ms > startedMs) await this.#sleep((event.ms - startedMs) / this.#speed);
      startedMs = Math.max(startedMs, event.ms);
      if (event.kind === 'columns') {
        flush();
        ({ names: columns, binary } = event);
      } else if (event.kind === 'row') rows.push(event.values.map((value, at) => cellText(value, binary[at] === true)));
      else {
        flush();
        this.#out.line(eventLine(this.#out, event));
      }
    }
    flush();
    if (recording.isTruncated || recording.rowsShown < recording.rows) {
      this.#out.line(
        this.#out.colors.dim(
          `recorded ${recording.rowsShown} of ${recording.rows} rows; the others went to the client too, but were not kept`,
        ),
      );
    }
  }

  /** Waits as long as the client waited since the payload before this one; long pauses are cut to ten seconds. */
  async #waitUntil(atMs: number): Promise<void> {
    const last = this.#lastMs;
    this.#lastMs = atMs;
    if (last === null || this.#speed === 0 || atMs <= last) return;
    await this.#sleep(Math.min(10_000, (atMs - last) / this.#speed));
  }
}

function eventLine(out: Output, event: Exclude<RecordedEvent, { kind: 'columns' | 'row' }>): string {
  if (event.kind === 'copy') return printable(new TextDecoder().decode(event.bytes).replace(/\n$/, ''));
  if (event.kind === 'complete') return out.colors.dim(printable(`${event.tag}  (${event.ms} ms)`));
  const text = printable(`${event.severity} ${event.code}: ${event.message}`);
  return event.kind === 'error' ? out.colors.red(text) : out.colors.yellow(text);
}

function cellText(value: Uint8Array | null, isBinary: boolean): string {
  if (value === null) return '∅';
  return isBinary ? `\\x${Buffer.from(value).toString('hex')}` : new TextDecoder().decode(value);
}

function decodedOrNull(bytes: Uint8Array): Recording | null {
  try {
    return decodeRecording(bytes);
  } catch (error) {
    if (error instanceof SallyportError) return null;
    throw error;
  }
}

/** One JSON line for one payload; values of a result are text, hexadecimal when the client asked for binary. */
function jsonOf(item: RecordingItem, opened: OpenedItem): object {
  const { seq, ts, type } = item;
  const { kind } = item.sealed;
  const head = { seq, ts, type, kind };
  if (opened.kind !== 'opened') return { ...head, ...(opened.kind === 'fault' ? { fault: opened.what } : { destroyed: true }) };
  const recording = kind === 'result' ? decodedOrNull(opened.bytes) : null;
  if (recording === null) return { ...head, text: new TextDecoder().decode(opened.bytes) };
  let binary: readonly boolean[] = [];
  const events = recording.events.map((event) => {
    if (event.kind === 'columns') ({ binary } = event);
    if (event.kind === 'copy') return { ...event, bytes: Buffer.from(event.bytes).toString('base64') };
    if (event.kind !== 'row') return event;
    return { ...event, values: event.values.map((value, at) => (value === null ? null : cellText(value, binary[at] === true))) };
  });
  return { ...head, ...recording, events };
}
