// Requests as the audit log has them, so that they can be decided again: the facts of each from its own header, who asked from
// the `session.open` of its session. A request is found once, whatever entries came of it.
// REFUSES: filling in what a header does not say. Such a request is yielded with the reason.

import type { ReasonCode } from '../core/decision.ts';
import type { EntryHeader, RecordedIdentity } from '../core/event.ts';
import type { Effect, Facts } from '../core/facts.ts';
import type { ActorRef } from '../core/identity.ts';
import type { SessionId } from '../core/ids.ts';
import type { AuditReader, SessionIndex } from '../core/ports.ts';

/** Why a request cannot be decided again. */
export const UNKNOWN_REASONS = [
  /** The entry was written by a version that recorded less. */
  'facts-not-recorded',
  'identity-not-recorded',
  /** Policy asks for a list that did not fit into the header. */
  'facts-cut',
  'identity-cut',
  /** Policy asks for the age or the statements of the session; they are recorded while the policy in force asks as well. */
  'session-not-recorded',
  /** The policy version that decided is not kept, or does not load any more. */
  'version-not-known',
  'target-not-known',
  /** The version that decided, asked again, does not say what is recorded: something counted that is not in the record. */
  'not-reproduced',
  /** Other columns are protected, and what is known of the catalogue does not explain the recorded classes. */
  'catalogue-changed',
  /** A statement that writes, and columns it touches become protected: it would have to be understood anew. */
  'rewriting-not-known',
] as const;
export type UnknownReason = (typeof UNKNOWN_REASONS)[number];

export interface RecordedRequest {
  readonly seq: number;
  readonly atMs: number;
  readonly header: EntryHeader;
  readonly principal: ActorRef;
  readonly target: string;
  /** What policy decided at the time, whatever became of the request. */
  readonly outcome: 'allow' | 'hold' | 'deny';
  readonly policySha256: string;
  readonly session: string;
  /** Null = not recorded. */
  readonly identity: RecordedIdentity | null;
  /** Null = not recorded. */
  readonly facts: Facts | null;
}

export interface RequestFilter {
  readonly sinceMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  readonly target?: string | undefined;
  /** `issuer/subject` as it is, not encoded. */
  readonly principal?: Pick<ActorRef, 'issuer' | 'subject'> | undefined;
}

export interface RequestSource {
  readonly reader: Pick<AuditReader, 'entries' | 'size'>;
  readonly sessions: Pick<SessionIndex, 'get'>;
}

export interface Progress {
  /** Entries looked at, of all in the range. */
  readonly done: number;
  readonly total: number;
}

/** The clock of the log may step: entries this much out of order are found. */
const disorderMs = 10 * 60_000;
const progressEvery = 2000;

/** Denials that are no answer of policy: what came of a held request, or a gateway that could not. */
const afterwards: ReadonlySet<ReasonCode> = new Set([
  'approval-denied',
  'approval-expired',
  'approval-void',
  'cancelled',
  'shutting-down',
  'unavailable',
  'grant-rows',
]);

/** In log order. @throws SP_AUDIT_CORRUPT */
export async function* recordedRequests(
  { reader, sessions }: RequestSource,
  filter: RequestFilter,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): AsyncGenerator<RecordedRequest> {
  const from = await firstIndexAt(reader, filter.sinceMs - disorderMs, signal);
  const to = await firstIndexAt(reader, filter.untilMs + disorderMs, signal);
  const identities = new Identities(reader, sessions);
  /** Approvals whose request was found already. */
  const held = new Set<string>();
  let done = 0;
  for await (const header of reader.entries(from, to, signal)) {
    done += 1;
    if (done % progressEvery === 0) onProgress({ done, total: to - from });
    identities.saw(header);
    const outcome = outcomeOf(header, held);
    const { principal, session, resource, policy } = header;
    if (outcome === null || principal === undefined || session === undefined || resource === undefined || policy === undefined) continue;
    const atMs = Date.parse(header.ts);
    if (atMs < filter.sinceMs || atMs >= filter.untilMs) continue;
    if (filter.target !== undefined && resource.target !== filter.target) continue;
    if (filter.principal !== undefined && !isSame(filter.principal, principal)) continue;
    yield {
      seq: header.seq,
      atMs,
      header,
      principal,
      target: resource.target,
      outcome,
      policySha256: policy.sha256,
      session,
      identity: await identities.of(session, signal),
      facts: factsOf(header),
    };
  }
  onProgress({ done, total: to - from });
}

function isSame(one: Pick<ActorRef, 'issuer' | 'subject'>, other: ActorRef): boolean {
  return one.issuer === other.issuer && one.subject === other.subject;
}

/** Null for an entry that is no request, or a further entry of one. */
function outcomeOf({ type, decision, reasons = [], approval }: EntryHeader, held: Set<string>): RecordedRequest['outcome'] | null {
  switch (type) {
    case 'request.held':
      if (approval !== undefined) held.add(approval);
      return 'hold';
    case 'request.denied':
      return reasons.some((reason) => afterwards.has(reason)) ? null : 'deny';
    case 'request.intent':
      if (approval === undefined) return decision === 'hold' ? 'hold' : 'allow';
      // A retry that found an approval given before has no entry of its own that it was held.
      return held.has(approval) ? null : 'hold';
    default:
      return null;
  }
}

/** Index of the first entry that is not older. */
export async function firstIndexAt(reader: RequestSource['reader'], atMs: number, signal: AbortSignal): Promise<number> {
  let low = 0;
  let high = reader.size();
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = await entryAt(reader, middle, signal);
    if (entry === null || Date.parse(entry.ts) >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function entryAt(reader: RequestSource['reader'], index: number, signal?: AbortSignal): Promise<EntryHeader | null> {
  for await (const entry of reader.entries(index, index + 1, signal)) return entry;
  return null;
}

/** Who opened each session. */
class Identities {
  readonly #reader: RequestSource['reader'];
  readonly #sessions: RequestSource['sessions'];
  readonly #known = new Map<string, RecordedIdentity | null>();

  constructor(reader: RequestSource['reader'], sessions: RequestSource['sessions']) {
    this.#reader = reader;
    this.#sessions = sessions;
  }

  saw({ type, session, identity }: EntryHeader): void {
    if (session === undefined) return;
    if (type === 'session.open') this.#known.set(session, identity ?? null);
    else if (type === 'session.close') this.#known.delete(session);
  }

  /** Of a session that was opened before the range, from its own entry. */
  async of(session: string, signal: AbortSignal): Promise<RecordedIdentity | null> {
    const known = this.#known.get(session);
    if (known !== undefined) return known;
    const row = await this.#sessions.get(session as SessionId);
    const entry = row === null ? null : await entryAt(this.#reader, row.openIndex, signal);
    const identity = entry?.type === 'session.open' && entry.session === session ? (entry.identity ?? null) : null;
    this.#known.set(session, identity);
    return identity;
  }
}

/** @returns null for an entry that does not say all of them. */
function factsOf({ facts, statement }: EntryHeader): Facts | null {
  if (facts?.statements === undefined) return null;
  const columns = (facts.columns ?? []).flatMap(({ relation, shown = [], tested = [], read = [] }) =>
    [...new Set([...shown, ...tested, ...read])].map((name) => `${relation}.${name}`),
  );
  return {
    verbs: facts.verbs,
    statements: facts.statements,
    effects: facts.effects as readonly Effect[],
    relations: facts.relations as Facts['relations'],
    columns: columns.toSorted(),
    classes: facts.classes,
    outputs: [],
    outputClasses: facts.outputClasses,
    predicateClasses: facts.predicateClasses,
    lineage: { shown: namesOf(facts.columns, 'shown'), tested: namesOf(facts.columns, 'tested'), open: facts.open ?? [] },
    unbounded: facts.unbounded,
    limit: facts.limit ?? null,
    unknowns: facts.unknowns.map(({ code, what }) => ({ code, what, remedy: '' })) as Facts['unknowns'],
    normalised: statement?.normalised ?? null,
    fingerprint: statement?.fingerprint ?? null,
  };
}

function namesOf(columns: NonNullable<EntryHeader['facts']>['columns'], use: 'shown' | 'tested'): string[] {
  return (columns ?? []).flatMap((each) => (each[use] ?? []).map((name) => `${each.relation}.${name}`));
}
