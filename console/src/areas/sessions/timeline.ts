// What happened in a session, one step for each statement, put together from the entries of the log.

import type { Entry } from './queries.ts';

export interface Column {
  readonly name: string;
  readonly classes: readonly string[];
  readonly mask: string;
  /** Base columns it is made of, `schema.relation.column`; empty = the log does not say. */
  readonly sources: readonly string[];
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
  /** Who answered it, in turn. */
  readonly answers: readonly { readonly by: string; readonly verdict: 'approve' | 'deny' }[];
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
  readonly answer?: { readonly by: { readonly subject: string }; readonly verdict: 'approve' | 'deny' };
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
  'session.ended': 'Somebody ended the session',
  'approval.requested': 'An approval was asked for',
  'request.result': 'A statement ended',
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
  const add = (step: Step): number => steps.push(step) - 1;
  for (const entry of entries) {
    const { seq, ts, type } = entry;
    const fields = entry as Fields;
    const { approval } = fields;
    const known = approval === undefined ? undefined : byApproval.get(approval);
    const before = known === undefined ? undefined : steps[known];
    if (type === 'request.result') {
      const { rows = null, ms = null, code = null, columns = [] } = fields.result ?? {};
      const ended = { rows, ms, code, columns: columns.map(columnOf) };
      if (change(byIntent.get(fields.intent ?? -1), seq, ended)) continue;
    }
    if (type === 'request.intent' && known !== undefined && before?.code === null && change(known, seq, {})) {
      // What was held runs: the same statement, decided again.
      byIntent.set(seq, known);
      continue;
    }
    if (type === 'request.held' && known !== undefined && before?.kind === 'event') {
      // The question stands in the log before what it is about.
      steps[known] = { ...statementStep(entry, fields), seq: before.seq, at: before.at, entries: [...before.entries, seq] };
      continue;
    }
    if (OF_APPROVAL.test(type) && before !== undefined) {
      const { answer } = fields;
      const answers = answer === undefined ? before.answers : [...before.answers, { by: answer.by.subject, verdict: answer.verdict }];
      change(known, seq, { answers });
      continue;
    }
    if (type === 'request.denied' && change(heldOf(fields, steps), seq, { code: 'denied' })) continue;
    if (/^request\.(?:intent|denied|held)$/.test(type)) {
      const at = add(statementStep(entry, fields));
      byIntent.set(seq, at);
      if (approval !== undefined) byApproval.set(approval, at);
      continue;
    }
    const at = add({ ...EMPTY, seq, at: ts, kind: 'event', title: EVENTS[type] ?? type, entries: [seq] });
    if (type === 'approval.requested' && approval !== undefined) byApproval.set(approval, at);
  }
  return steps;
}

/** Where a held statement that is refused in the end stands. The refusal does not name the approval: it is of the same statement, and a
 *  session waits for one at a time. */
function heldOf({ reasons = [], statement }: Fields, steps: readonly Step[]): number | undefined {
  if (!reasons.some((reason) => reason === 'cancelled' || reason.startsWith('approval-'))) return undefined;
  const at = steps.findLastIndex(
    (step) => step.decision === 'hold' && step.code === null && step.statement === (statement?.normalised ?? null),
  );
  return at === -1 ? undefined : at;
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
  answers: [],
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
  return { name: column.name, classes: column.classes ?? [], mask: column.mask ?? 'clear', sources: column.sources ?? [] };
}
