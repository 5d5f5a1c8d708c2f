// Looks through the requests of a period for those that touched one subject. The record says which requests touched any, the index
// which of them were about whom.
// INVARIANT: a request is left out only when a genuine record of the index says that everybody it touched is known, and that this one
// was not among them; or when it gave no row and changed nothing.

import type { EntryHeader } from '../core/event.ts';
import type { AuditReader } from '../core/ports.ts';
import type { SubjectHit, SureHit, UnsureHit } from '../core/subject-search.ts';
import { globMatches } from '../policy/index.ts';

export interface SubjectQuery {
  readonly target: string;
  readonly subject: string;
  /** Indexes, the end exclusive. */
  readonly from: number;
  readonly to: number;
  /** Requests of other times are not meant: entries around the period may be out of order. */
  readonly sinceMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  /** Of each kind, the newest. */
  readonly limit: number;
}

export interface SubjectEvidence {
  /** Null: no record. */
  of(session: string, n: number): { readonly asked: boolean; readonly returned: boolean; readonly isClosed: boolean } | null;
  /** Patterns that were keys of the subject when the entry was written; null = it was not configured. */
  columnsAt(seq: number): readonly string[] | null;
  /** Those of today. */
  readonly columns: readonly string[];
  /** False: it may have had tokens that nobody can make any more, and its record tells of those only. Absent = true. */
  tokensMadeAt?(seq: number): boolean;
  /** Classes whose tokens were made for the search; null = there are no tokens. */
  readonly classNames?: ReadonlySet<string> | null;
  /** What has rows of the subject today, beside the relations of `columns`; null = cannot be told, and any may. */
  readonly relations?: readonly string[] | null;
}

export interface FoundRequests {
  readonly touching: number;
  readonly hits: readonly SureHit[];
  readonly hitCount: number;
  readonly unsure: readonly UnsureHit[];
  readonly unsureCount: number;
}

/** Results come soon behind their intent; later ones are looked for this far behind the period. */
const RESULTS_BEHIND = 100_000;

type Waiting = { readonly seq: number; readonly header: EntryHeader } & (
  | { readonly how: SureHit['how'] }
  | { readonly why: UnsureHit['why'] }
);

export async function findSubjectRequests(
  reader: Pick<AuditReader, 'entries' | 'size'>,
  query: SubjectQuery,
  evidence: SubjectEvidence,
  signal: AbortSignal,
): Promise<FoundRequests> {
  const { from, to, limit } = query;
  const found = new Newest(limit);
  const waiting = new Map<number, Waiting>();
  let touching = 0;
  for await (const header of reader.entries(from, Math.min(reader.size(), to + RESULTS_BEHIND), signal)) {
    if (header.seq >= to && waiting.size === 0) break;
    if (header.type === 'request.result' && header.intent !== undefined) {
      const one = waiting.get(header.intent);
      if (one !== undefined) found.add(one, header);
      waiting.delete(header.intent);
    } else if (header.seq < to && header.type === 'request.intent') {
      const one = looked(header, query, evidence);
      if (one === 'not-touching') continue;
      touching += 1;
      if (one !== 'left-out') waiting.set(header.seq, one);
    }
  }
  for (const one of waiting.values()) found.add(one, null);
  return { touching, ...found.answer() };
}

function looked(
  header: EntryHeader,
  { target, subject, sinceMs, untilMs }: SubjectQuery,
  evidence: SubjectEvidence,
): Waiting | 'not-touching' | 'left-out' {
  const { seq, session, n, resource, action, facts } = header;
  if (resource?.target !== target || session === undefined || n === undefined || action === 'prepare') return 'not-touching';
  const atMs = Date.parse(header.ts);
  if (atMs < sinceMs || atMs >= untilMs) return 'not-touching';
  const isNamed = facts?.subjects?.includes(subject) === true;
  const columns = evidence.columnsAt(seq);
  const isSame = columns !== null && evidence.columns.every((column) => columns.includes(column));
  if (!isNamed && (isSame || !namesRelation(header, evidence))) return 'not-touching';
  const verdict = evidence.of(session, n);
  const how = [...(verdict?.asked === true ? (['asked'] as const) : []), ...(verdict?.returned === true ? (['returned'] as const) : [])];
  if (how.length > 0) return { seq, header, how };
  if (!isSame) return { seq, header, why: 'before-index' };
  if (verdict === null) return { seq, header, why: 'not-indexed' };
  if (evidence.tokensMadeAt?.(seq) === false || hasOtherClasses(header, evidence)) return { seq, header, why: 'not-indexed' };
  return verdict.isClosed ? 'left-out' : { seq, header, why: 'not-by-key' };
}

/** A class that policy has no more made tokens of its own. */
function hasOtherClasses({ facts }: EntryHeader, { classNames = null }: SubjectEvidence): boolean {
  if (classNames === null) return false;
  return facts === undefined || facts.cut?.includes('classes') === true || facts.classes.some((name) => !classNames.has(name));
}

/** By the names of relations alone, and whenever they are not all there. */
function namesRelation({ facts }: EntryHeader, { columns, relations = [] }: SubjectEvidence): boolean {
  if (relations === null || facts === undefined || facts.cut?.includes('relations') === true || facts.effects.includes('call')) return true;
  const patterns = columns.map((column) => column.slice(0, column.lastIndexOf('.')));
  return facts.relations.some(({ name }) => relations.includes(name) || patterns.some((pattern) => globMatches(pattern, name)));
}

class Newest {
  readonly #limit: number;
  readonly #hits: SureHit[] = [];
  readonly #unsure: UnsureHit[] = [];
  #hitCount = 0;
  #unsureCount = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(one: Waiting, result: EntryHeader | null): void {
    const hit = hitOf(one.header, result);
    if ('how' in one) {
      this.#hitCount += 1;
      keep(this.#hits, { ...hit, how: one.how }, this.#limit);
    } else if (!isWithoutEffect(hit, one.header.facts?.verbs ?? [])) {
      this.#unsureCount += 1;
      keep(this.#unsure, { ...hit, why: one.why }, this.#limit);
    }
  }

  answer(): Omit<FoundRequests, 'touching'> {
    const newestFirst = <Hit extends SubjectHit>(hits: Hit[]): Hit[] => hits.toSorted((one, other) => other.seq - one.seq);
    return {
      hits: newestFirst(this.#hits),
      hitCount: this.#hitCount,
      unsure: newestFirst(this.#unsure),
      unsureCount: this.#unsureCount,
    };
  }
}

function keep<Hit>(hits: Hit[], hit: Hit, limit: number): void {
  hits.push(hit);
  if (hits.length > limit) hits.shift();
}

/** Ends of a request that undo it, and whose message never has a value: other errors print those of any row that was read. */
const SILENT = /^(?:08|25|40|53|57)[0-9A-Z]{3}$/;
/** What came before may stay although the request failed. */
const COMMITTING: ReadonlySet<string> = new Set(['TRANSACTION', 'COMMIT', 'PREPARE TRANSACTION', 'UNKNOWN']);

/** Nothing was shown and nothing was changed. */
function isWithoutEffect({ result, effects }: SubjectHit, verbs: readonly string[]): boolean {
  if (result === null || result.rows > 0) return false;
  if (effects.every((effect) => effect === 'read' || effect === 'copy-out')) return result.code === 'ok' || SILENT.test(result.code);
  return SILENT.test(result.code) && !effects.includes('call') && !verbs.some((verb) => COMMITTING.has(verb));
}

function hitOf(header: EntryHeader, result: EntryHeader | null): SubjectHit {
  const { seq, ts, principal, onBehalfOf, session, action, statement, facts, resource, approval, grant } = header;
  return {
    seq,
    at: ts,
    principal: principal ?? null,
    onBehalfOf: onBehalfOf ?? null,
    session: session ?? '',
    action: action ?? '',
    statement: statement?.normalised ?? null,
    effects: facts?.effects ?? [],
    relations: resource?.objects ?? [],
    approval: approval ?? null,
    grant: grant ?? null,
    result: result?.result === undefined ? null : { seq: result.seq, rows: result.result.rows, code: result.result.code },
  };
}
