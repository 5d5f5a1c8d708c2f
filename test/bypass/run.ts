// Runs one case against a gateway and gives the verdict; or against the bare server, to prove that the case does what it
// claims. Four tests: secrets that must not appear; `sql` and `control` that must look the same; the two-world test (all
// that a client sees must be the same whatever the protected values are); and clean answers that must be untouched.

import type { Case, CorpusPolicy, Step } from './cases.ts';
import { Client, type Endpoint, type Login, type Message, StartupRefused, rowValues } from './client.ts';
import {
  type Ran,
  type View,
  columnOf,
  errorsIn,
  firstDifference,
  isRefused,
  literals,
  shows,
  transcript,
  viewOf,
  withNumberedTokens,
} from './seen.ts';
import { ShownTokens, usesTokens } from './tokens-shown.ts';

/** The gateway's targets for a database: by the role it logs in with, or, as that of an application, with masks that keep something. */
export type TargetKind = 'app' | 'postgres' | 'keeping';

/** The kind of target that a case runs before. */
export const targetOf = ({ masks, role }: Case): TargetKind => masks ?? role ?? 'app';

/** One of the two worlds. */
export interface World {
  readonly direct: Endpoint;
  readonly gateway: Readonly<Record<TargetKind, Endpoint>>;
}

export interface Worlds {
  readonly first: World;
  readonly twin: World;
  /** Differs from the first in what the `keeping` masks hide, and in nothing that they show. */
  readonly alike: World;
  readonly serverVersionNum: number;
  readonly superuser: { readonly user: string; readonly password: string };
  /** What clients of the gateway log in with. */
  readonly token: string;
}

export type Verdict = 'PASS' | 'FAIL' | 'RESIDUAL' | 'USABILITY' | 'ERROR';

export interface CaseResult {
  readonly id: string;
  readonly expect: Case['expect'];
  readonly verdict: Verdict;
  readonly outcome: 'answered' | 'refused' | null;
  readonly why: string;
}

const timingMs = 150;

export class Runner {
  readonly #worlds: Worlds;
  readonly #patience: readonly [first: number, again: number];
  /** Every protected value in the database that is long enough to be told from chance. */
  #secrets: ReadonlySet<string> = new Set();

  /** `patience`: how many times longer than usual a client waits for an answer, and when that was not enough. */
  constructor(worlds: Worlds, patience: readonly [first: number, again: number] = [1, 4]) {
    this.#worlds = worlds;
    this.#patience = patience;
  }

  async readSecrets(policy: CorpusPolicy): Promise<void> {
    const secrets = new Set<string>();
    for (const [relation, columns] of Object.entries(policy.protected)) {
      for (const column of columns) {
        const text = `SELECT DISTINCT ${column}::text FROM ${relation} WHERE ${column} IS NOT NULL`;
        for (const value of await this.#administer(text, this.#worlds.first.direct)) if (value.length >= 7) secrets.add(value);
      }
    }
    this.#secrets = secrets;
  }

  /** Never rejects. */
  async run(each: Case): Promise<CaseResult> {
    const { id, expect } = each;
    try {
      const ran = await this.#gated(each, each.sql);
      const outcome = isRefused(ran) ? 'refused' : 'answered';
      const fault = await this.#fault(each, ran, outcome);
      if (fault !== null) return { id, expect, outcome, verdict: each.hard === undefined ? 'FAIL' : 'RESIDUAL', why: fault };
      const loss = expect === 'clean' ? await this.#difference(each, ran) : await this.#damage(each, ran, outcome);
      if (loss !== null) return { id, expect, outcome, verdict: 'USABILITY', why: loss };
      return { id, expect, outcome, verdict: 'PASS', why: expect === 'clean' ? '' : errorsIn(ran) };
    } catch (fault) {
      return { id, expect, outcome: null, verdict: 'ERROR', why: String(fault).slice(0, 240) };
    }
  }

  /** Whether the case behaves as it says on the bare server. Null = it does. */
  async prove(each: Case): Promise<string | null> {
    const direct = (steps: readonly Step[], world = this.#worlds.first): Promise<Ran> =>
      this.#pass(each, world, this.#directLogin(each, world.direct), steps);
    const check = each.raw?.check ?? (each.control !== undefined ? 'oracle' : each.expect === 'clean' ? 'clean' : 'leak');
    // Some of these would change the server for good.
    if (check === 'none') return null;
    const ran = await direct(each.sql);
    const view = viewOf(ran);
    switch (check) {
      case 'oracle': {
        const other = await direct(each.control ?? []);
        const hide = literals(each);
        const differs = !same(transcript(ran, hide), transcript(other, hide)) || Math.abs(totalMs(ran) - totalMs(other)) > timingMs;
        return differs ? null : `sql and control look the same without a gateway ${errorsIn(ran)}`;
      }
      case 'twin': {
        const other = await direct(each.sql, this.#worlds.twin);
        return same(transcript(ran), transcript(other)) ? `both worlds look the same without a gateway ${errorsIn(ran)}` : null;
      }
      case 'leak':
        return each.secretMustNotAppear.some((secret) => shows(view, secret)) ? null : `no secret is seen: ${errorsIn(ran)}`;
      case 'clean': {
        const leaks = this.#foreignSecrets(each, view);
        const answered = ran.steps.some((step) => step.messages.some(({ type }) => 'DdCE'.includes(type)));
        if (leaks.length > 0) return `shows ${leaks[0]}`;
        return answered && (!isRefused(ran) || each.title.includes('error')) ? null : errorsIn(ran);
      }
      case 'differs':
      case 'rows':
        return !isRefused(ran) && view.sets.some((set) => set.rows.length > 0) ? null : `no rows ${errorsIn(ran)}`;
    }
  }

  async #fault(each: Case, ran: Ran, outcome: 'answered' | 'refused'): Promise<string | null> {
    const leaks = this.#leaks(each, viewOf(ran));
    if (leaks.length > 0) return `LEAK ${leaks.join(' , ').slice(0, 160)}`;
    return (
      (await this.#oracle(each, ran)) ??
      (await this.#twin(each, ran)) ??
      (each.mustRefuse === true && outcome !== 'refused' ? 'must be refused' : null) ??
      (outcome === 'answered' ? await this.#identicalToRaw(each, ran) : null)
    );
  }

  async #oracle(each: Case, ran: Ran): Promise<string | null> {
    if (each.control === undefined) return null;
    const other = await this.#gated(each, each.control);
    const hide = literals(each);
    // Which of them are equal is all that tokens tell, and whose they are is what the client has chosen.
    const seen = (one: Ran): string[] => (usesTokens(each.sql) ? withNumberedTokens(transcript(one, hide)) : transcript(one, hide));
    const difference = firstDifference(seen(ran), seen(other));
    if (difference !== null) return `ORACLE ${difference}`;
    if (each.timing === true && Math.abs(totalMs(ran) - totalMs(other)) > timingMs) {
      const best = async (steps: readonly Step[]): Promise<number> =>
        Math.min(totalMs(await this.#gated(each, steps)), totalMs(await this.#gated(each, steps)));
      const gapMs = Math.abs((await best(each.sql)) - (await best(each.control)));
      if (gapMs > timingMs) return `ORACLE timing differs by ${Math.round(gapMs)} ms`;
    }
    const leaks = this.#leaks(each, viewOf(other));
    return leaks.length > 0 ? `LEAK (control) ${leaks.join(' , ').slice(0, 160)}` : null;
  }

  async #twin(each: Case, ran: Ran): Promise<string | null> {
    const { first } = this.#worlds;
    const twin = each.masks === 'keeping' ? this.#worlds.alike : this.#worlds.twin;
    const other = await this.#pass(each, twin, this.#gatewayLogin(each, twin), each.twinSql ?? each.sql);
    const named = (one: Ran, world: World): string[] => {
      const { database } = world.direct;
      const lines = transcript(one).map((line) => line.replaceAll(new RegExp(`\\b${database}\\b`, 'g'), 'DB'));
      return each.masks === 'keeping' ? withNumberedTokens(lines) : lines;
    };
    const difference = firstDifference(named(ran, first), named(other, twin));
    return difference === null ? null : `TWIN ${difference}`;
  }

  async #identicalToRaw(each: Case, ran: Ran): Promise<string | null> {
    if (each.mustDifferFromRaw === undefined) return null;
    const [gated, raw] = [viewOf(ran), viewOf(await this.#direct(each))];
    const leaking = each.mustDifferFromRaw.find((name) => {
      const [shown, real] = [columnOf(gated, name), columnOf(raw, name)];
      return shown !== null && real !== null && same(shown, real);
    });
    return leaking === undefined ? null : `LEAK column ${leaking} is as on the server`;
  }

  /** What an ordinary statement lost. */
  async #difference(each: Case, ran: Ran): Promise<string | null> {
    const difference = firstDifference(transcript(await this.#direct(each)), transcript(ran));
    return difference === null ? null : `want <> got: ${difference}`;
  }

  async #damage(each: Case, ran: Ran, outcome: 'answered' | 'refused'): Promise<string | null> {
    if (outcome === 'refused') return each.accept.includes('refused') ? null : errorsIn(ran);
    if (each.cleanColumns === undefined) return null;
    const [shown, raw] = [viewOf(ran), viewOf(await this.#direct(each))];
    const changed = each.cleanColumns.find((name) => !same(columnOf(shown, name), columnOf(raw, name)));
    return changed === undefined ? null : `column ${changed} was changed`;
  }

  #leaks(each: Case, view: View): string[] {
    const listed = each.secretMustNotAppear.filter((secret) => shows(view, secret));
    return [...new Set([...listed, ...this.#foreignSecrets(each, view)])].slice(0, 4);
  }

  /** Protected values of the database that the case itself does not mention. */
  #foreignSecrets(each: Case, view: View): string[] {
    const own = JSON.stringify([each.sql, each.control ?? []]);
    const mentions = (secret: string): boolean => own.includes(JSON.stringify(secret).slice(1, -1));
    return [...this.#secrets].filter((secret) => !mentions(secret) && view.folded.includes(secret.toLowerCase()));
  }

  #gated(each: Case, steps: readonly Step[]): Promise<Ran> {
    const { first } = this.#worlds;
    return this.#pass(each, first, this.#gatewayLogin(each, first), steps);
  }

  #direct(each: Case): Promise<Ran> {
    const { first } = this.#worlds;
    return this.#pass(each, first, this.#directLogin(each, first.direct), each.sql);
  }

  /** What one client sees, between the set-up and the teardown of the case. An answer that does not come in time says nothing:
   *  neither that two runs differ nor that a statement was refused. The whole is done once more, with more time.
   *  @throws Error when an answer is still missing */
  async #pass(each: Case, { direct }: World, login: Login, steps: readonly Step[]): Promise<Ran> {
    for (const patience of this.#patience) {
      const ran = await this.#between(each, direct, () => this.#steps(login, steps, direct, patience));
      if (!ran.steps.some(({ messages }) => messages.some(({ type }) => type === '!timeout'))) return ran;
    }
    throw new Error(`no answer from ${login.database} on port ${login.port}, not even with ${this.#patience[1]} times the usual time`);
  }

  /** `work` between the set-up and the teardown of the case. */
  async #between(each: Case, direct: Endpoint, work: () => Promise<Ran>): Promise<Ran> {
    const side: Client[] = [];
    try {
      await this.#administerAll(each.setup ?? [], direct, async (text, client) => {
        if (!text.startsWith('@side ')) return this.#administered(text, client, direct);
        const own = await this.#connectDirect(direct);
        side.push(own);
        mustAnswer(text, await own.simple(fill(text.slice(6), direct)));
      });
      return await work();
    } finally {
      for (const client of side) client.end();
      await this.#administerAll(each.teardown ?? [], direct, (text, client) =>
        this.#administered(text, client, direct).catch(() => undefined),
      );
    }
  }

  async #steps(login: Login, steps: readonly Step[], direct: Endpoint, patience: number): Promise<Ran> {
    const done: { messages: readonly Message[]; ms: number }[] = [];
    const shown = new ShownTokens();
    let client: Client;
    try {
      client = await Client.connect(login, patience);
    } catch (fault) {
      if (!(fault instanceof StartupRefused)) throw fault;
      return { isStartupRefused: true, startup: fault.messages, steps: [], later: [] };
    }
    for (const step of steps) {
      if (client.isClosed) {
        try {
          client = await Client.connect(login, patience);
        } catch (fault) {
          if (!(fault instanceof StartupRefused)) throw fault;
          done.push({ messages: [{ type: '!refused', body: Buffer.alloc(0) }], ms: 0 });
          continue;
        }
      }
      const startedMs = performance.now();
      const messages = await this.#step(client, shown.fill(step), direct);
      done.push({ messages, ms: performance.now() - startedMs });
      shown.note(messages);
    }
    const listens = steps.some((step) => typeof step === 'string' && step.startsWith('LISTEN'));
    const later = listens ? await client.idle(200) : [];
    client.end();
    return { isStartupRefused: false, startup: [], steps: done, later };
  }

  async #step(client: Client, step: Step, direct: Endpoint): Promise<readonly Message[]> {
    if (typeof step === 'string') return client.simple(generated(fill(step, direct)));
    if ('copyIn' in step) return client.simple(fill(step.copyIn, direct), step.data);
    if ('rawSql' in step) return client.rawQuery(Buffer.from(step.rawSql));
    if ('rawHex' in step) return client.rawQuery(Buffer.from(step.rawHex, 'hex'));
    if ('owner' in step) {
      await this.#administer(step.owner, direct);
      return [];
    }
    if ('fastpath' in step) return client.fastpath(await this.#functionOid(step.fastpath), step.args);
    if (step.proto === 'close') return client.close(step.name);
    if (step.proto === 'pipeline') return client.pipeline(step.batch.map(({ q }) => ({ q: fill(q, direct) })));
    if (step.proto === 'messages') return client.messages(step.batch);
    return client.extended({ ...step, q: fill(step.q, direct) });
  }

  async #functionOid(signature: string): Promise<number> {
    const [oid] = await this.#administer(`SELECT '${signature}'::regprocedure::oid::int`, this.#worlds.first.direct);
    return Number(oid ?? 0);
  }

  /** As the superuser, one after the other on one connection. */
  async #administerAll(texts: readonly string[], direct: Endpoint, run: (text: string, client: Client) => Promise<unknown>): Promise<void> {
    if (texts.length === 0) return;
    let client = await this.#connectDirect(direct);
    try {
      for (const text of texts) {
        if (client.isClosed) client = await this.#connectDirect(direct);
        await run(text, client);
      }
    } finally {
      client.end();
    }
  }

  /** As the superuser, on a connection of its own; returns and throws as `#administered`. */
  async #administer(text: string, direct: Endpoint): Promise<string[]> {
    const client = await this.#connectDirect(direct);
    try {
      return await this.#administered(text, client, direct);
    } finally {
      client.end();
    }
  }

  /** @returns first values of the rows
   *  @throws Error with what the server said against it, or when it did not answer */
  async #administered(text: string, client: Client, direct: Endpoint): Promise<string[]> {
    const answer = await client.simple(fill(text, direct));
    // What comes late would be taken for the answer to the next text.
    if (answer.at(-1)?.type === '!timeout') client.end();
    mustAnswer(text, answer);
    if (answer.some(({ type }) => type === 'E')) throw new Error(`set-up failed: ${text.slice(0, 80)}: ${errorText(answer)}`);
    return answer.filter(({ type }) => type === 'D').map(({ body }) => rowValues(body)[0]?.toString() ?? '');
  }

  #connectDirect(direct: Endpoint): Promise<Client> {
    return Client.connect({ ...direct, ...this.#worlds.superuser }, this.#patience[1]);
  }

  #directLogin(each: Case, direct: Endpoint): Login {
    const login = each.role === 'postgres' ? this.#worlds.superuser : { user: 'app', password: 'app' };
    return { ...direct, ...login, startup: each.startup ?? {} };
  }

  #gatewayLogin(each: Case, world: World): Login {
    return { ...world.gateway[targetOf(each)], user: 'app', password: this.#worlds.token, startup: each.startup ?? {} };
  }
}

function mustAnswer(text: string, answer: readonly Message[]): readonly Message[] {
  if (answer.at(-1)?.type === '!timeout') throw new Error(`set-up had no answer: ${text.slice(0, 80)}`);
  return answer;
}

function fill(text: string, { port, database }: Endpoint): string {
  return text.replaceAll('{{PORT}}', String(port)).replaceAll('{{DB}}', database);
}

/** `@gen (({a}x3))` is `((aaa))`. */
function generated(text: string): string {
  return text.startsWith('@gen ')
    ? text.slice(5).replaceAll(/\{([^{}]*)\}x(\d+)/g, (_, unit: string, count: string) => unit.repeat(Number(count)))
    : text;
}

const totalMs = (ran: Ran): number => ran.steps.reduce((sum, step) => sum + step.ms, 0);
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const errorText = (answer: readonly Message[]): string =>
  errorsIn({ isStartupRefused: false, startup: [], steps: [{ messages: answer, ms: 0 }], later: [] });
