// What the main thread and the thread that exports to SIEMs say to each other. Secrets cross as text, because their class does not
// survive a clone.

import type { Cursor, EventContext, ExporterState } from '../siem/index.ts';
import type { SiemSettings } from './siem-settings.ts';
import type { LogLine } from './worker-messages.ts';

/** What the exporting thread asks of the main thread. */
export type SiemMainCalls = {
  readonly load: { readonly argument: string; readonly value: Cursor | null };
  /** Survives power loss on return. */
  readonly save: { readonly argument: { readonly destination: string; readonly cursor: Cursor }; readonly value: void };
  /** An `alarm` entry is durable on return. */
  readonly alarm: { readonly argument: Readonly<Record<string, string | number>>; readonly value: void };
  /** Writes to standard output. */
  readonly write: { readonly argument: string; readonly value: void };
  /** Told. */
  readonly states: { readonly argument: readonly ExporterState[]; readonly value: void };
  readonly log: { readonly argument: LogLine; readonly value: void };
};

/** What the main thread asks of the exporting thread. */
export type SiemThreadCalls = {
  readonly start: { readonly argument: null; readonly value: void };
  readonly reset: { readonly argument: { readonly destination: string; readonly next: number }; readonly value: void };
  /** What was not acknowledged comes again at the next start. */
  readonly stop: { readonly argument: null; readonly value: void };
};

export interface SiemThreadData {
  readonly role: 'siem';
  readonly settings: readonly SiemSettings<string>[];
  readonly context: EventContext;
  /** The directory given to `openAuditLog`. */
  readonly auditDirectory: string;
}

export function isSiemThreadData(data: unknown): data is SiemThreadData {
  return typeof data === 'object' && data !== null && 'role' in data && data.role === 'siem';
}
