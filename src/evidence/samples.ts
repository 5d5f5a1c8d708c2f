// Samples that nobody could choose: of all grants, approvals and masked results of the range those whose entry has the lowest leaf hash.
// Grants and approvals are followed from end to end for the report; results are named with their hashes, because what they hold is sealed.

import { csvLine } from './csv.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';
import { countOf, listOf, memberOf, objectOf, textOf } from './fields.ts';

const SAMPLED_STORIES = 5;
const SAMPLED_RESULTS = 100;
/** Events shown of one story; a grant can be used ten thousand times. */
const MAX_EVENTS = 40;
const RESULTS_PATH = 'samples/sealed-results.csv';
const RESULTS_COLUMNS = [
  'log_index',
  'leaf_sha256',
  'time',
  'session',
  'kind',
  'blob_sha256',
  'blob_bytes',
  'commitment',
  'data_key',
] as const;

/** A grant or a held request from its first entry on. */
export interface Story {
  readonly id: string;
  readonly events: RangeEntry[];
  /** Events that were left out. */
  more: number;
  sessions: number;
  requests: number;
  rows: number;
  firstUse: string;
  lastUse: string;
}

/** The `limit` things with the lowest key. */
class Lowest<T> {
  readonly #limit: number;
  readonly #items: { readonly key: string; readonly id: string; readonly value: T }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns the id that had to go, or null. `value` is asked for when it stays. */
  add(key: string, id: string, value: () => T): { readonly isKept: boolean; readonly evicted: string | null } {
    const last = this.#items.at(-1);
    if (this.#items.length >= this.#limit && last !== undefined && key >= last.key) return { isKept: false, evicted: null };
    const at = this.#items.findIndex((item) => item.key > key);
    this.#items.splice(at < 0 ? this.#items.length : at, 0, { key, id, value: value() });
    const evicted = this.#items.length > this.#limit ? this.#items.pop() : undefined;
    return { isKept: true, evicted: evicted?.id ?? null };
  }

  values(): T[] {
    return this.#items.map(({ value }) => value);
  }
}

class Stories {
  readonly #lowest = new Lowest<Story>(SAMPLED_STORIES);
  readonly #open = new Map<string, Story>();

  /** @param isBeginning an entry that a story can begin with */
  add(id: string, entry: RangeEntry, isBeginning: boolean): void {
    const story = this.#open.get(id);
    if (story !== undefined) {
      if (story.events.length < MAX_EVENTS) story.events.push(entry);
      else story.more += 1;
      return;
    }
    if (!isBeginning) return;
    const fresh: Story = { id, events: [entry], more: 0, sessions: 0, requests: 0, rows: 0, firstUse: '', lastUse: '' };
    const { isKept, evicted } = this.#lowest.add(entry.leaf, id, () => fresh);
    if (isKept) this.#open.set(id, fresh);
    if (evicted !== null) this.#open.delete(evicted);
  }

  get(id: string): Story | undefined {
    return this.#open.get(id);
  }

  /** In log order. */
  values(): Story[] {
    return this.#lowest.values().toSorted((a, b) => (a.events[0]?.index ?? 0) - (b.events[0]?.index ?? 0));
  }
}

export class Samples implements Part {
  readonly #sink: Sink;
  readonly #grants = new Stories();
  readonly #approvals = new Stories();
  /** Without their bytes: each would keep the whole file that it was read from. */
  readonly #results = new Lowest<Pick<RangeEntry, 'index' | 'leaf' | 'header'>>(SAMPLED_RESULTS);
  /** Sessions that rest on sampled grants. */
  readonly #sessions = new Map<string, readonly string[]>();
  /** Intents that rest on sampled approvals, by log index. */
  readonly #intents = new Map<number, string>();
  sealedPayloads = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  grants(): Story[] {
    return this.#grants.values();
  }

  approvals(): Story[] {
    return this.#approvals.values();
  }

  push(entry: RangeEntry): void {
    const { index, header, leaf } = entry;
    const type = textOf(header['type']);
    const sealed = listOf(header['sealed']);
    this.sealedPayloads += sealed.length;
    if (sealed.some((ref) => textOf(objectOf(ref)?.['kind']) === 'result'))
      this.#results.add(leaf, String(index), () => ({ index, leaf, header }));

    const grant = textOf(header['grant']);
    if (grant !== '' && /^(?:grant|breakglass)\./.test(type)) {
      this.#grants.add(grant, entry, type === 'grant.requested' || type === 'breakglass.opened');
    }
    const approval = textOf(header['approval']);
    if (approval !== '' && type !== 'request.result') {
      this.#approvals.add(approval, entry, type === 'approval.requested');
      if (type === 'request.intent' && this.#approvals.get(approval) !== undefined) this.#intents.set(entry.index, approval);
    }
    this.#use(type, entry);
  }

  end(): void {
    this.#sink.write(RESULTS_PATH, csvLine(RESULTS_COLUMNS));
    for (const { index, leaf, header } of this.#results.values().toSorted((a, b) => a.index - b.index)) {
      for (const each of listOf(header['sealed'])) {
        const ref = objectOf(each) ?? {};
        if (textOf(ref['kind']) !== 'result') continue;
        const names = [ref['kind'], ref['sha256'], ref['bytes'], ref['commitment'], ref['key']].map(textOf);
        this.#sink.write(RESULTS_PATH, csvLine([index, leaf, textOf(header['ts']), textOf(header['session']), ...names]));
      }
    }
  }

  #use(type: string, entry: RangeEntry): void {
    const { header } = entry;
    const session = textOf(header['session']);
    if (type === 'session.open') {
      const grants = listOf(memberOf(header, 'identity', 'grants')).map((each) => textOf(objectOf(each)?.['id']));
      const sampled = [...new Set([textOf(header['grant']), ...grants])].filter((id) => this.#grants.get(id) !== undefined);
      if (sampled.length > 0) this.#sessions.set(session, sampled);
      for (const id of sampled) used(this.#grants.get(id), header, (story) => (story.sessions += 1));
    } else if (type === 'session.close') this.#sessions.delete(session);
    else if (type === 'request.intent') {
      for (const id of this.#sessions.get(session) ?? []) used(this.#grants.get(id), header, (story) => (story.requests += 1));
    } else if (type === 'request.result') {
      const rows = countOf(memberOf(header, 'result', 'rows'));
      for (const id of this.#sessions.get(session) ?? []) used(this.#grants.get(id), header, (story) => (story.rows += rows));
      const intent = header['intent'];
      const approval = typeof intent === 'number' ? this.#intents.get(intent) : undefined;
      if (approval === undefined) return;
      this.#intents.delete(Number(intent));
      this.#approvals.add(approval, entry, false);
    }
  }
}

function used(story: Story | undefined, header: RangeEntry['header'], count: (story: Story) => void): void {
  if (story === undefined) return;
  count(story);
  const time = textOf(header['ts']);
  if (story.firstUse === '') story.firstUse = time;
  story.lastUse = time;
}
