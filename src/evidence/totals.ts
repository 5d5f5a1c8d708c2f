// Numbers of the range for the report and the control map: by type of entry, by day, by reason, by class.

import type { Part, RangeEntry, Scope } from './derivation.ts';
import { actorOf, countOf, memberOf, objectOf, textOf, textsOf } from './fields.ts';
import { shownColumns } from './identity-table.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const BUCKET_MS = [
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  60 * MINUTE_MS,
  6 * 60 * MINUTE_MS,
  DAY_MS,
  7 * DAY_MS,
  28 * DAY_MS,
  364 * DAY_MS,
];
const MAX_BUCKETS = 60;

export interface Bucket {
  readonly startMs: number;
  run: number;
  held: number;
  denied: number;
  failedLogins: number;
  rows: number;
}

export class Totals implements Part {
  readonly types = new Map<string, number>();
  readonly reasons = new Map<string, number>();
  /** Class -> mask -> results that showed it so. */
  readonly masks = new Map<string, Map<string, number>>();
  readonly closeReasons = new Map<string, number>();
  readonly loginFaults = new Map<string, number>();
  readonly policies = new Set<string>();
  readonly verdicts = new Map<string, number>();
  readonly alarms = new Map<string, number>();
  readonly buckets: Bucket[] = [];
  readonly bucketMs: number;
  /** Rows of results. */
  rows = 0;
  writes = 0;
  entries = 0;
  /** Entries whose time is before that of the entry before them, and the most it went back. */
  backwards = { count: 0, mostMs: 0 };
  readonly #fromMs: number;
  readonly #asked = new Map<string, number>();
  /** Milliseconds from the question to the answer that decided. */
  readonly waits: number[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor({ from, to }: Pick<Scope, 'from' | 'to'>) {
    this.#fromMs = Date.parse(from);
    const spanMs = Math.max(1, Date.parse(to) - this.#fromMs);
    this.bucketMs = BUCKET_MS.find((ms) => spanMs / ms <= MAX_BUCKETS) ?? Math.ceil(spanMs / MAX_BUCKETS);
    for (let startMs = this.#fromMs; startMs < this.#fromMs + spanMs; startMs += this.bucketMs) {
      this.buckets.push({ startMs, run: 0, held: 0, denied: 0, failedLogins: 0, rows: 0 });
    }
  }

  of(...types: readonly string[]): number {
    return types.reduce((sum, type) => sum + (this.types.get(type) ?? 0), 0);
  }

  /** Entries of all types that begin so. */
  family(prefix: string): number {
    return [...this.types].reduce((sum, [type, count]) => sum + (type.startsWith(prefix) ? count : 0), 0);
  }

  push({ header, atMs }: RangeEntry): void {
    const type = textOf(header['type']);
    const bucket = this.#bucketOf(atMs);
    this.entries += 1;
    increment(this.types, type);
    if (atMs < this.#lastMs) {
      this.backwards = { count: this.backwards.count + 1, mostMs: Math.max(this.backwards.mostMs, this.#lastMs - atMs) };
    }
    this.#lastMs = atMs;
    const policy = textOf(memberOf(header, 'policy', 'sha256'));
    if (policy !== '') this.policies.add(policy);
    switch (type) {
      case 'request.intent':
        if (bucket !== null) bucket.run += 1;
        if (textsOf(memberOf(header, 'facts', 'effects')).some((effect) => effect !== 'read')) this.writes += 1;
        break;
      case 'request.held':
        if (bucket !== null) bucket.held += 1;
        break;
      case 'request.denied':
        if (bucket !== null) bucket.denied += 1;
        for (const reason of textsOf(header['reasons'])) increment(this.reasons, reason);
        break;
      case 'request.result':
        this.#result(objectOf(header['result']) ?? {}, bucket);
        break;
      case 'auth.fail':
        if (bucket !== null) bucket.failedLogins += 1;
        increment(this.loginFaults, textOf(memberOf(header, 'detail', 'fault')));
        break;
      case 'session.close':
        increment(this.closeReasons, textOf(memberOf(header, 'detail', 'reason')));
        break;
      case 'alarm':
        increment(this.alarms, textOf(memberOf(header, 'detail', 'code')));
        break;
      case 'approval.requested':
        this.#asked.set(textOf(header['approval']), atMs);
        break;
      case 'approval.expired':
        this.#asked.delete(textOf(header['approval']));
        break;
      case 'approval.answered':
        this.#answered(header, atMs);
        break;
      default:
    }
  }

  end(): void {
    this.waits.sort((a, b) => a - b);
  }

  #answered(header: RangeEntry['header'], atMs: number): void {
    const verdict = textOf(memberOf(header, 'answer', 'verdict'));
    if (actorOf(memberOf(header, 'answer', 'by')) !== null) increment(this.verdicts, verdict);
    if (textOf(memberOf(header, 'detail', 'state')) === 'pending') return;
    const id = textOf(header['approval']);
    const askedMs = this.#asked.get(id);
    if (askedMs === undefined) return;
    this.#asked.delete(id);
    this.waits.push(Math.max(0, atMs - askedMs));
  }

  #result(result: RangeEntry['header'], bucket: Bucket | null): void {
    const rows = countOf(result['rows']);
    this.rows += rows;
    if (bucket !== null) bucket.rows += rows;
    for (const { mask, classes } of shownColumns(result)) {
      for (const name of classes) {
        const masks = this.masks.get(name) ?? new Map<string, number>();
        this.masks.set(name, masks);
        increment(masks, mask);
      }
    }
  }

  /** Null for an entry whose time is not in the range: the clock of the gateway was set back or forth. */
  #bucketOf(atMs: number): Bucket | null {
    return this.buckets[Math.floor((atMs - this.#fromMs) / this.bucketMs)] ?? null;
  }
}

function increment(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** Most first, then by name. */
export function ranked(map: ReadonlyMap<string, number>): [string, number][] {
  return [...map].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}
