// What happened in a session, one step for each statement, put together from the entries of the log.

import type { Entry } from './queries.ts';

export interface Column {
  readonly name: string;
  readonly classes: readonly string[];
  readonly mask: string;
  /** Columns it is made of, as the log has them; null = it does not say. */
  readonly of: readonly string[] | null;
}

export interface Step {
  /** Log index of the first entry. */
  readonly seq: number;
  readonly at: string;
  readonly kind: 'statement' | 'event';
  /** `SELECT`, `session.open`, ... */
  readonly title: string;
  readonly statement: string | null;
  readonly decision: 'allow' | 'hold' | 'deny' | null;
  readonly reasons: readonly string[];
  readonly rules: readonly string[];
  readonly effects: readonly string[];
  readonly relations: readonly string[];
  readonly unknowns: readonly string[];
  readonly approval: string | null;
  readonly rows: number | null;
  readonly ms: number | null;
  /** `ok`, or the error the client got; null = it has not ended. */
  readonly code: string | null;
  readonly columns: readonly Column[];
  readonly entries: readonly number[];
}

interface Fields {
  readonly action?: string;
  readonly decision?: 'allow' | 'hold' | 'deny';
  readonly reasons?: readonly string[];
  readonly rules?: readonly string[];
  readonly approval?: string;
  readonly intent?: number;
  readonly statement?: { readonly normalised?: string; readonly bytes?: number };
  readonly facts?: {
    readonly verbs?: readonly string[];
    readonly effects?: readonly string[];
    readonly relations?: readonly { readonly name: string }[];
    readonly unknowns?: readonly { readonly what: string }[];
  };
  readonly result?: {
    readonly rows?: number;
    readonly ms?: number;
    readonly code?: string;
    readonly columns?: readonly {
      readonly name: string;
      readonly classes?: readonly string[];
      readonly mask?: string;
      readonly sources?: readonly string[];
    }[];
  };
}

const EVENTS: Readonly<Record<string, string>> = {
  'auth.ok': 'Logged in',
  'auth.fail': 'Log-in refused',
  'session.open': 'Session opened',
  'session.close': 'Session ended',
  'payload.unsealed': 'Sealed payloads were handed out',
};
/** Parts of the story of the statement whose approval they name. */
const OF_APPROVAL = /^approval\./;

export function timeline(entries: readonly Entry[]): Step[] {
  const steps: Step[] = [];
  const byIntent = new Map<number, number>();
  const byApproval = new Map<string, number>();
  const change = (at: number | undefined, seq: number, with_: Partial<Step>): boolean => {
    const step = at === undefined ? undefined : steps[at];
    if (at === undefined || step === undefined) return false;
    steps[at] = { ...step, ...with_, entries: [...step.entries, seq] };
    return true;
  };
  for (const entry of entries) {
    const { seq, ts, type } = entry;
    const fields = entry as Fields;
    if (type === 'request.result') {
      const { rows = null, ms = null, code = null, columns = [] } = fields.result ?? {};
      const ended = { rows, ms, code, columns: columns.map(columnOf) };
      if (change(byIntent.get(fields.intent ?? -1), seq, ended)) continue;
    }
    if (type === 'request.intent' && fields.approval !== undefined) {
      // What was held runs: the same statement, decided again.
      const at = byApproval.get(fields.approval);
      if (at !== undefined && steps[at]?.code === null && change(at, seq, {})) {
        byIntent.set(seq, at);
        continue;
      }
    }
    if (OF_APPROVAL.test(type) && fields.approval !== undefined && change(byApproval.get(fields.approval), seq, {})) continue;
    if (/^request\.(?:intent|denied|held)$/.test(type)) {
      const at = steps.push(statementStep(entry, fields)) - 1;
      byIntent.set(seq, at);
      if (fields.approval !== undefined) byApproval.set(fields.approval, at);
      continue;
    }
    steps.push({ ...EMPTY, seq, at: ts, kind: 'event', title: EVENTS[type] ?? type, entries: [seq] });
  }
  return steps;
}

const EMPTY: Omit<Step, 'seq' | 'at' | 'kind' | 'title' | 'entries'> = {
  statement: null,
  decision: null,
  reasons: [],
  rules: [],
  effects: [],
  relations: [],
  unknowns: [],
  approval: null,
  rows: null,
  ms: null,
  code: null,
  columns: [],
};

function statementStep({ seq, ts, type }: Entry, fields: Fields): Step {
  const { facts, statement } = fields;
  const verbs = facts?.verbs ?? [];
  return {
    ...EMPTY,
    seq,
    at: ts,
    kind: 'statement',
    title: `${fields.action === 'prepare' ? 'Prepared ' : ''}${verbs.join(', ') || 'statement'}`,
    statement: statement?.normalised ?? null,
    decision: fields.decision ?? (type === 'request.held' ? 'hold' : type === 'request.denied' ? 'deny' : null),
    reasons: fields.reasons ?? [],
    rules: fields.rules ?? [],
    effects: facts?.effects ?? [],
    relations: (facts?.relations ?? []).map(({ name }) => name),
    unknowns: (facts?.unknowns ?? []).map(({ what }) => what),
    approval: fields.approval ?? null,
    code: type === 'request.denied' ? 'denied' : null,
    entries: [seq],
  };
}

function columnOf(column: NonNullable<NonNullable<Fields['result']>['columns']>[number]): Column {
  return { name: column.name, classes: column.classes ?? [], mask: column.mask ?? 'clear', of: column.sources ?? null };
}
