// A recording as frames: what the client sent and saw, one after the other, each with the time at which it happened.

import type { Recording } from '../../../../src/wire/pg-recording.ts';

export type Frame = { readonly seq: number; readonly atMs: number } & (
  | { readonly kind: 'statement' | 'parameters' | 'messages' | 'justification'; readonly text: string; readonly isCut: boolean }
  | {
      readonly kind: 'rows';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly (string | null)[])[];
      readonly notes: readonly string[];
    }
  | { readonly kind: 'gone'; readonly what: string }
);

/** Rows of one frame; more than these are not drawn at once. */
export const maxRows = 200;

/** @param startMs when the answer began, ms since the epoch */
export function framesOf(recording: Recording, seq: number, startMs: number): Frame[] {
  const frames: Frame[] = [];
  let columns: readonly string[] = [];
  /** Null = the recording does not say: it has the rows of a statement that was described before. */
  let binary: readonly boolean[] | null = null;
  let rows: (string | null)[][] = [];
  let notes: string[] = [];
  let lastMs = 0;
  const flush = (): void => {
    if (columns.length > 0 || rows.length > 0 || notes.length > 0) {
      const headers = columns.length > 0 ? columns : (rows[0] ?? []).map((_, at) => String(at + 1));
      frames.push({ kind: 'rows', seq, atMs: startMs + lastMs, columns: headers, rows, notes });
    }
    rows = [];
    notes = [];
  };
  for (const event of recording.events) {
    lastMs = event.ms;
    if (event.kind === 'columns') {
      flush();
      ({ names: columns, binary } = event);
    } else if (event.kind === 'row') {
      rows.push(event.values.map((value, at) => cellText(value, binary === null ? null : binary[at] === true)));
      if (rows.length >= maxRows) flush();
    } else if (event.kind === 'copy') {
      notes.push(new TextDecoder().decode(event.bytes).replace(/\n$/, ''));
    } else if (event.kind === 'complete') {
      notes.push(event.tag);
      flush();
      columns = [];
      binary = null;
    } else {
      notes.push(`${event.severity} ${event.code}: ${event.message}`);
    }
  }
  if (recording.isTruncated || recording.rowsShown < recording.rows) {
    notes.push(`${recording.rowsShown} of ${recording.rows} rows were kept; the others went to the client, too`);
  }
  flush();
  return frames;
}

/** Text, `\\x..` of what is not, null of NULL. @param isBinary null = unknown: what reads like text is text */
export function cellText(value: Uint8Array | null, isBinary: boolean | null): string | null {
  if (value === null) return null;
  const text = isBinary === true ? null : textOf(value, isBinary === null);
  return text ?? `\\x${[...value].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

function textOf(value: Uint8Array, isDoubtful: boolean): string | null {
  if (!isDoubtful) return new TextDecoder().decode(value);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value);
    // oxlint-disable-next-line no-control-regex -- these are what no text has
    return /[\u0000-\u0008\u000E-\u001F]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** Long silences are cut to this. */
const maxPauseMs = 10_000;

/** When each frame is shown, in ms from the beginning, at the speed at which it happened. */
export function schedule(frames: readonly Frame[]): number[] {
  let at = 0;
  return frames.map(({ atMs }, index) => {
    const before = frames[index - 1];
    if (before !== undefined) at += Math.min(maxPauseMs, Math.max(0, atMs - before.atMs));
    return at;
  });
}
