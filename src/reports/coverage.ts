// What of a period the record does not cover, or nobody has looked at: entries that no copy elsewhere has, entries without a review,
// targets and principals concerned, failed log-ins, and times in which the gateway was silent.
// A heartbeat comes every 60 seconds, so a longer silence is a gateway that did not run, or whose log was cut.

import type { EntryHeader } from '../core/event.ts';
import { principalKey } from '../core/identity.ts';
import type { AuditReader } from '../core/ports.ts';
import { firstIndexAt } from './requests.ts';
import { type Period, reviewOf } from './reviews.ts';

/** Who has a copy of the log, from which index on and up to which (exclusive). */
export interface Anchor {
  readonly name: string;
  readonly kind: string;
  readonly from: number;
  readonly upTo: number;
}

export interface CoverageDeps {
  readonly reader: Pick<AuditReader, 'entries' | 'size'>;
  readonly anchors: readonly Anchor[];
  /** Of the configuration. */
  readonly targets: readonly string[];
}

export interface Use {
  readonly name: string;
  readonly requests: number;
  readonly denied: number;
  /** Entries of theirs that no copy elsewhere has. */
  readonly notAnchored: number;
  /** Entries of theirs that nobody has reviewed. */
  readonly notReviewed: number;
}

export interface CoverageReport {
  readonly entries: { readonly from: number; readonly to: number };
  readonly anchors: readonly Anchor[];
  readonly notAnchored: number;
  /** Ranges without a review, the end exclusive. */
  readonly notReviewed: readonly { readonly from: number; readonly to: number }[];
  readonly reviews: { readonly records: number; readonly access: number; readonly breakGlass: number };
  readonly breakGlass: number;
  readonly alarms: number;
  readonly targets: readonly Use[];
  readonly principals: readonly Use[];
  readonly failedLogIns: {
    readonly count: number;
    readonly byFault: Readonly<Record<string, number>>;
    readonly byAddress: readonly { readonly address: string; readonly count: number }[];
  };
  readonly silences: readonly {
    /** Index of the entry that ended it. */
    readonly seq: number;
    readonly from: string;
    readonly to: string;
    readonly seconds: number;
    /** `stopped`: the log was closed before; `crashed`: it was not, and opened again; `silent`: neither. */
    readonly kind: 'stopped' | 'crashed' | 'silent';
  }[];
}

/** Two heartbeats and some. */
const SILENCE_MS = 150_000;
const MAX_LISTED = 500;

interface Counts {
  requests: number;
  denied: number;
  notAnchored: number;
  notReviewed: number;
}

export async function coverageReport({ sinceMs, untilMs }: Period, deps: CoverageDeps, signal: AbortSignal): Promise<CoverageReport> {
  const { reader, anchors } = deps;
  const from = await firstIndexAt(reader, sinceMs, signal);
  const to = await firstIndexAt(reader, untilMs, signal);
  const alone = gapsIn(
    anchors.map((each) => ({ from: each.from, to: each.upTo })).toSorted((a, b) => a.from - b.from),
    from,
    to,
  );
  const reviews = { records: 0, access: 0, breakGlass: 0 };
  const reviewed = await reviewedRanges(from, reader, signal);
  const gaps = gapsIn(reviewed, from, to);
  const targets = new Map<string, Counts>(deps.targets.map((name) => [name, noCounts()]));
  const principals = new Map<string, Counts>();
  const faults = new Map<string, number>();
  const addresses = new Map<string, number>();
  const silences: CoverageReport['silences'][number][] = [];
  let breakGlass = 0;
  let alarms = 0;
  let failed = 0;
  let gapAt = 0;
  let before: EntryHeader | null = null;
  for await (const header of reader.entries(Math.max(0, from - 1), to, signal)) {
    const silence = before === null ? null : silenceBetween(before, header);
    before = header;
    if (header.seq < from) continue;
    if (silence !== null && silences.length < MAX_LISTED) silences.push(silence);
    const { type, seq, principal, resource, detail } = header;
    while (gapAt < gaps.length && (gaps[gapAt]?.to ?? 0) <= seq) gapAt += 1;
    const isReviewed = !(gapAt < gaps.length && (gaps[gapAt]?.from ?? Infinity) <= seq);
    const isAlone = alone.some((gap) => gap.from <= seq && seq < gap.to);
    const review = reviewOf(header);
    if (review !== null) reviews[review.kind === 'break-glass' ? 'breakGlass' : review.kind] += 1;
    if (type === 'breakglass.opened') breakGlass += 1;
    else if (type === 'alarm') alarms += 1;
    else if (type === 'auth.fail') {
      failed += 1;
      add(faults, String(detail?.['fault'] ?? 'unknown'));
      add(addresses, String(detail?.['address'] ?? 'unknown'));
    }
    const counted = [
      resource === undefined ? null : countsOf(targets, resource.target),
      principal === undefined ? null : countsOf(principals, principalKey(principal)),
    ];
    for (const counts of counted) {
      if (counts === null) continue;
      if (type === 'request.intent') counts.requests += 1;
      else if (type === 'request.denied') counts.denied += 1;
      if (isAlone) counts.notAnchored += 1;
      if (!isReviewed) counts.notReviewed += 1;
    }
  }
  return {
    entries: { from, to },
    anchors,
    notAnchored: alone.reduce((sum, gap) => sum + gap.to - gap.from, 0),
    notReviewed: gaps.slice(0, MAX_LISTED),
    reviews,
    breakGlass,
    alarms,
    targets: usesOf(targets),
    principals: usesOf(principals),
    failedLogIns: {
      count: failed,
      byFault: Object.fromEntries(faults),
      byAddress: [...addresses]
        .toSorted(([, a], [, b]) => b - a)
        .slice(0, 20)
        .map(([address, count]) => ({ address, count })),
    },
    silences,
  };
}

/** A review is signed after what it covers: all of them from the period on count, also later ones. */
async function reviewedRanges(
  from: number,
  reader: CoverageDeps['reader'],
  signal: AbortSignal,
): Promise<{ readonly from: number; readonly to: number }[]> {
  const ranges: { from: number; to: number }[] = [];
  for await (const header of reader.entries(from, reader.size(), signal)) {
    const range = reviewOf(header)?.range;
    if (range !== null && range !== undefined) ranges.push(range);
  }
  return ranges.toSorted((a, b) => a.from - b.from);
}

function gapsIn(
  ranges: readonly { readonly from: number; readonly to: number }[],
  from: number,
  to: number,
): { from: number; to: number }[] {
  const gaps: { from: number; to: number }[] = [];
  let next = from;
  for (const range of ranges) {
    if (range.from > next && next < to) gaps.push({ from: next, to: Math.min(range.from, to) });
    next = Math.max(next, range.to);
  }
  if (next < to) gaps.push({ from: next, to });
  return gaps;
}

function silenceBetween(before: EntryHeader, after: EntryHeader): CoverageReport['silences'][number] | null {
  const ms = Date.parse(after.ts) - Date.parse(before.ts);
  const kind = before.type === 'log.closed' ? 'stopped' : after.type === 'log.opened' ? 'crashed' : 'silent';
  // A crash is told however short; a clock that was set back is no silence.
  if (ms < SILENCE_MS && kind !== 'crashed') return null;
  return { seq: after.seq, from: before.ts, to: after.ts, seconds: Math.round(ms / 1000), kind };
}

function countsOf(map: Map<string, Counts>, name: string): Counts {
  let counts = map.get(name);
  if (counts === undefined) map.set(name, (counts = noCounts()));
  return counts;
}

function noCounts(): Counts {
  return { requests: 0, denied: 0, notAnchored: 0, notReviewed: 0 };
}

function usesOf(map: ReadonlyMap<string, Counts>): Use[] {
  return [...map].map(([name, counts]) => ({ name, ...counts })).toSorted((a, b) => b.requests - a.requests || (a.name < b.name ? -1 : 1));
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
