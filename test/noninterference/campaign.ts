// Sends generated and mutated statements through the gateway to both worlds, many at once on several lanes, and compares
// every byte of the answers. Unit `n` of seed `s` is the same on every machine, so a campaign can go on anywhere.

import { Client } from '../bypass/client.ts';
import type { Parser } from '../../src/sql/parser.ts';
import { type Outcome, differenceOf, errorIn, isSame, isTimeout, outcomeOf } from './answers.ts';
import { type Answer, Lane, type LaneStep } from './lane.ts';
import type { Mutator } from './mutate.ts';
import { Random } from './random.ts';
import { Referee } from './referee.ts';
import { shrink } from './shrink.ts';
import { type Unit, generate, isScaffold } from './units.ts';
import { type Pair, type Pairs, appLogin } from './worlds.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** First unit. */
  readonly from?: number;
  /** Ends when that many statements were answered. */
  readonly statements: number;
  /** Share of the units that is also sent past the gateway, to see how many of them tell the worlds apart there. */
  readonly bareShare: number;
  /** Ends at the first real difference. */
  readonly untilFound?: boolean;
  readonly signal: AbortSignal;
  readonly onFinding?: (finding: Finding) => void;
  readonly onProgress?: (tally: Tally) => void;
}

export interface Finding {
  readonly unit: number;
  readonly original: readonly LaneStep[];
  readonly shrunk: readonly LaneStep[];
  readonly difference: string;
}

export interface Tally {
  /** Units below this number are done. */
  nextUnit: number;
  units: number;
  statements: number;
  readonly outcomes: Record<Outcome, number>;
  /** By what a unit made use of. */
  readonly features: Map<string, Record<Outcome, number>>;
  readonly refusals: Map<string, number>;
  readonly errors: Map<string, number>;
  bareSampled: number;
  bareDiffered: number;
  /** Differences that a second copy of the first world shows too. */
  noise: readonly (readonly LaneStep[])[];
  /** Units that ran into a time limit in one of the worlds. */
  timeouts: number;
  /** Differences that did not come again. */
  unconfirmed: readonly (readonly LaneStep[])[];
  readonly findings: Finding[];
  elapsedMs: number;
  /** Of this process: gateway, generator and comparison. */
  cpuMs: number;
}

export interface CampaignDeps {
  readonly pairs: Pairs;
  readonly mutator: Mutator;
  readonly parser: Parser;
  readonly nowMs: () => number;
}

const mutatedShare = 0.3;
/** Sent at once on a connection. */
const unitsPerBatch = 48;
/** Of those, how many may be needed to see a difference again. */
const replayedUnits = 12;
const shrunkFindings = 8;

/** The unit of that number; the same on every machine. */
export function unitOf(seed: number, number: number, { pairs, mutator }: Pick<CampaignDeps, 'pairs' | 'mutator'>): Unit {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0);
  const mutated = random.chance(mutatedShare) ? mutator.mutate(random) : null;
  return mutated ?? generate(random, pairs.catalogue);
}

interface Numbered extends Unit {
  readonly number: number;
}

export class Campaign {
  readonly #deps: CampaignDeps;
  readonly #options: CampaignOptions;
  readonly #referee: Referee;
  readonly #tally: Tally;
  readonly #startedMs: number;
  readonly #startedCpu = process.cpuUsage();
  readonly #open = new Set<number>();
  #next: number;
  #isOver = false;
  /** Differences are settled one by one. */
  #settling: Promise<void> = Promise.resolve();

  constructor(deps: CampaignDeps, options: CampaignOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#referee = new Referee(deps.pairs.referee, deps.pairs.token);
    this.#next = options.from ?? 0;
    this.#startedMs = deps.nowMs();
    this.#tally = {
      nextUnit: this.#next,
      units: 0,
      statements: 0,
      outcomes: noOutcomes(),
      features: new Map(),
      refusals: new Map(),
      errors: new Map(),
      bareSampled: 0,
      bareDiffered: 0,
      noise: [],
      timeouts: 0,
      unconfirmed: [],
      findings: [],
      elapsedMs: 0,
      cpuMs: 0,
    };
  }

  async run(): Promise<Tally> {
    const lanes = this.#deps.pairs.lanes.map((pair) => this.#lane(pair));
    try {
      await Promise.all([...lanes, this.#bare()]);
      await this.#settling;
    } finally {
      this.#isOver = true;
      this.#referee.end();
    }
    return this.#closed();
  }

  #closed(): Tally {
    this.#tally.elapsedMs = this.#deps.nowMs() - this.#startedMs;
    const { user, system } = process.cpuUsage(this.#startedCpu);
    this.#tally.cpuMs = (user + system) / 1000;
    this.#tally.nextUnit = Math.min(this.#next, ...this.#open);
    return this.#tally;
  }

  get #goesOn(): boolean {
    return !this.#isOver && !this.#options.signal.aborted && this.#tally.statements < this.#options.statements;
  }

  #batch(): Numbered[] {
    const { seed } = this.#options;
    return Array.from({ length: unitsPerBatch }, () => {
      const number = this.#next;
      this.#next += 1;
      this.#open.add(number);
      return { ...unitOf(seed, number, this.#deps), number };
    });
  }

  async #lane(pair: Pair): Promise<void> {
    const { token } = this.#deps.pairs;
    const connect = (): Promise<Lane[]> => Promise.all([pair.first, pair.twin].map(({ gated }) => Lane.connect(gated, token)));
    let lanes = await connect();
    let waiting: Numbered[] = [];
    while (this.#goesOn) {
      if (waiting.length === 0) waiting = this.#batch();
      if (lanes.some(({ isClosed }) => isClosed)) {
        for (const lane of lanes) lane.end();
        lanes = await connect();
      }
      const steps = waiting.flatMap((unit) => unit.steps);
      const [first = [], twin = []] = await Promise.all(lanes.map((lane) => lane.run(steps)));
      let at = 0;
      let done = 0;
      for (const unit of waiting) {
        const answers = unit.steps.map((_, index) => [first[at + index] ?? null, twin[at + index] ?? null] as const);
        at += unit.steps.length;
        done += 1;
        this.#compare(unit, answers, waiting.slice(Math.max(0, done - replayedUnits), done));
        // Behind the end of a connection nothing was answered: the rest is sent again.
        if (answers.some(([a, b]) => a === null || b === null || isEnd(a) || isEnd(b))) break;
      }
      waiting = waiting.slice(done);
      this.#options.onProgress?.(this.#closed());
    }
    for (const lane of lanes) lane.end();
    for (const { number } of waiting) this.#open.delete(number);
  }

  #compare(unit: Numbered, answers: readonly (readonly [Answer, Answer])[], replay: readonly Unit[]): void {
    const tally = this.#tally;
    tally.units += 1;
    this.#open.delete(unit.number);
    for (const [index, step] of unit.steps.entries()) {
      const answer = answers[index]?.[0] ?? null;
      const outcome = outcomeOf(answer);
      if (isScaffold(step)) continue;
      tally.outcomes[outcome] += 1;
      if (outcome !== 'skipped') tally.statements += 1;
      for (const feature of unit.features) counted(tally.features, feature)[outcome] += 1;
      const error = errorIn(answer);
      if (outcome === 'refused') add(tally.refusals, error ?? '');
      if (outcome === 'error') add(tally.errors, (error ?? '').slice(0, 5));
    }
    const differing = answers.find(([a, b]) => !isSame(a, b));
    if (differing === undefined) return;
    const difference = differenceOf(...differing);
    if (answers.some(([a, b]) => isTimeout(a) || isTimeout(b))) {
      tally.timeouts += 1;
      return;
    }
    this.#settling = this.#settling.then(() => this.#settle(unit, replay, difference));
  }

  async #settle(unit: Numbered, replay: readonly Unit[], difference: string): Promise<void> {
    if (this.#isOver) return;
    const tally = this.#tally;
    let steps = unit.steps;
    await this.#renew();
    let verdict = await this.#referee.judge(steps, 2);
    if (verdict === 'same') {
      // It may take what came before it on the connection.
      steps = replay.flatMap((each) => each.steps);
      verdict = await this.#referee.judge(steps, 2);
    }
    if (verdict === 'noise') tally.noise = [...tally.noise, unit.steps];
    if (verdict === 'same') tally.unconfirmed = [...tally.unconfirmed, unit.steps];
    if (verdict !== 'different') return;
    const { parser, nowMs } = this.#deps;
    const fails = async (candidate: readonly LaneStep[]): Promise<boolean> => (await this.#referee.judge(candidate, 2)) === 'different';
    const shrunk = tally.findings.length < shrunkFindings ? await shrink(steps, { parser, fails, nowMs }) : steps;
    // Shrinking commits as well: what it ended with must differ on fresh databases, else the unit stands as it was.
    await this.#renew();
    const isShrunk = (await this.#referee.judge(shrunk, 1)) === 'different';
    if (!isShrunk) {
      await this.#renew();
      if ((await this.#referee.judge(steps, 1)) !== 'different') {
        tally.noise = [...tally.noise, unit.steps];
        return;
      }
    }
    const finding = { unit: unit.number, original: unit.steps, shrunk: isShrunk ? shrunk : steps, difference };
    tally.findings.push(finding);
    this.#options.onFinding?.(finding);
    if (this.#options.untilFound === true) this.#isOver = true;
  }

  async #renew(): Promise<void> {
    this.#referee.end();
    await this.#deps.pairs.renewReferee();
  }

  /** Units of another seed past the gateway, a few for each that goes through it. */
  async #bare(): Promise<void> {
    const { bareShare, seed } = this.#options;
    const { bare } = this.#deps.pairs;
    const connect = (): Promise<Client[]> =>
      Promise.all([bare.first, bare.twin].map(({ direct }) => Client.connect({ ...direct, ...appLogin })));
    let clients = bareShare > 0 ? await connect() : [];
    for (let number = 0; clients.length > 0 && this.#goesOn; number += 1) {
      while (this.#goesOn && this.#tally.bareSampled >= this.#tally.units * bareShare)
        await new Promise((resolve) => setTimeout(resolve, 20));
      if (clients.some(({ isClosed }) => isClosed)) clients = await connect();
      const { steps } = unitOf(seed + 1, number, this.#deps);
      let isDifferent = false;
      for (const step of steps) {
        const [first, twin] = await Promise.all(
          clients.map(async (client) => bytesOf(typeof step === 'string' ? await client.simple(step) : await client.extended(step))),
        );
        isDifferent ||= first !== undefined && twin !== undefined && !isTimeout(first) && !isTimeout(twin) && !isSame(first, twin);
      }
      for (const client of clients) await client.simple('ROLLBACK');
      this.#tally.bareSampled += 1;
      if (isDifferent) this.#tally.bareDiffered += 1;
    }
    for (const client of clients) client.end();
  }
}

function bytesOf(messages: readonly { readonly type: string; readonly body: Buffer }[]): Buffer {
  return Buffer.concat(
    messages
      .filter(({ type }) => type.length === 1)
      .flatMap(({ type, body }) => {
        const head = Buffer.alloc(5);
        head.write(type);
        head.writeInt32BE(body.length + 4, 1);
        return [head, body];
      }),
  );
}

/** The connection ended with this answer. */
function isEnd(answer: Buffer): boolean {
  return answer.at(-6) !== 0x5a;
}

function noOutcomes(): Record<Outcome, number> {
  return { rows: 0, empty: 0, refused: 0, error: 0, skipped: 0 };
}

function counted(map: Map<string, Record<Outcome, number>>, key: string): Record<Outcome, number> {
  const found = map.get(key) ?? noOutcomes();
  map.set(key, found);
  return found;
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
