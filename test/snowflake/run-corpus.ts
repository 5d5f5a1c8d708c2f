// Runs cases of the Snowflake corpus through a gateway before the fake account, and on the bare account to prove that they do what they
// claim. Tests: protected values in any byte that the client got; `sql` and `control` that must look the same; two accounts that differ in
// protected values only, which must look the same; ordinary statements that must be answered exactly as the account answers.

import { type Case, type Step, cannedOf, stepOf } from './corpus/cases.ts';
import { type Endpoint, RawClient, type Seen } from './client.ts';
import { protectedColumns } from './fake/clinic.ts';
import type { FakeAccount } from './fake/account.ts';
import { SqlSession } from './fake/sql-session.ts';
import { Secrets, firstDifference, literals, tokensIn, transcript } from './seen.ts';

export interface World {
  readonly account: FakeAccount;
  /** By mask and principal. Null = no gateway: only `prove`. */
  readonly gate: {
    readonly tester: Endpoint;
    readonly keeping: Endpoint;
    readonly clear: Endpoint;
    readonly clearKeeping: Endpoint;
  } | null;
}

export interface Verdict {
  readonly id: string;
  readonly category: string;
  readonly outcome: 'masked' | 'refused' | 'clean';
  /** Empty = passed. */
  readonly faults: readonly string[];
  /** The first error that the client got, for people. */
  readonly error: string;
}

interface Ran {
  readonly answers: readonly Seen[];
  readonly bytes: readonly Buffer[];
}

const firstRows = 40;
const lanes = 4;

export class CorpusRunner {
  readonly #first: World;
  readonly #twin: World;
  readonly #secrets: Secrets;

  private constructor(first: World, twin: World, secrets: Secrets) {
    this.#first = first;
    this.#twin = twin;
    this.#secrets = secrets;
  }

  /** Reads the protected values of both worlds. */
  static async make(first: World, twin: World, cases: readonly Case[]): Promise<CorpusRunner> {
    const values: string[] = [];
    for (const { account } of [first, twin]) {
      for (const each of cases) for (const [text, answer] of Object.entries(each.upstream ?? {})) account.answer(text, cannedOf(answer));
      account.sizes.inlineRows = firstRows;
      account.sizes.chunkRows = 150;
      for (const [relation, columns] of Object.entries(protectedColumns)) {
        const answer = await onAccount(account, `SELECT ${columns.join(', ')} FROM ${relation}`);
        for (const row of answer) values.push(...row.flatMap((cell) => (cell === null ? [] : piecesOf(cell))));
      }
      values.push(...(await onAccount(account, 'SELECT TO_VARCHAR(DOB) FROM PATIENTS')).flat().filter((cell) => cell !== null));
    }
    return new CorpusRunner(first, twin, new Secrets(values));
  }

  /** All cases through the gateway, or on the bare account; those that change nothing some at a time. */
  async runAll(cases: readonly Case[], how: 'attack' | 'prove', done: (verdict: Verdict, each: Case) => void): Promise<void> {
    const isAlone = (each: Case): boolean =>
      each.category === 'writes' || each.teardown !== undefined || each.sql.some((step) => stepOf(step).chunks === true);
    const waiting = cases.filter((each) => !isAlone(each));
    const lane = async (): Promise<void> => {
      for (let each = waiting.shift(); each !== undefined; each = waiting.shift()) done(await this[how](each), each);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    for (const each of cases.filter(isAlone)) done(await this[how](each), each);
  }

  /** Through the gateway. */
  async attack(each: Case): Promise<Verdict> {
    const faults: string[] = [];
    const fetchesBefore = this.#first.account.storage.fetches.length;
    const ran = await this.#through(this.#first, each, each.sql);
    const fetches = this.#first.account.storage.fetches.slice(fetchesBefore);
    const refusal = ran.answers.find(({ isError }) => isError);
    const leaked =
      each.expect === 'clean'
        ? null
        : this.#secrets.firstIn(
            ran.bytes,
            ran.answers.flatMap(({ rows }) => rows),
            each.secretMustNotAppear,
          );
    if (leaked !== null) faults.push(`shows ${leaked}`);
    for (const body of ran.bytes) if (body.includes(this.#first.account.storage.host)) faults.push('tells the address of the storage');
    if (each.control !== undefined) {
      const control = await this.#through(this.#first, each, each.control);
      const difference = firstDifference(transcript(ran.answers, literals(each)), transcript(control.answers, literals(each)));
      if (difference !== null) faults.push(`tells a guess: ${difference}`);
    }
    const twin = await this.#through(this.#twin, each, each.sql);
    const difference = firstDifference(transcript(ran.answers, literals(each)), transcript(twin.answers, literals(each)));
    if (difference !== null) faults.push(`differs between the worlds: ${difference}`);
    let outcome: Verdict['outcome'] = refusal === undefined ? 'masked' : 'refused';
    if (each.accept.includes('clean') || each.cleanColumns !== undefined) {
      const direct = await this.#direct(this.#first, each, each.sql);
      const unequal = firstDifference(transcript(ran.answers), transcript(direct.answers));
      if (unequal === null) outcome = 'clean';
      else if (each.expect === 'clean') faults.push(`differs from the account: ${unequal}`);
      for (const name of refusal === undefined ? (each.cleanColumns ?? []) : []) {
        const [a, b] = [ran, direct].map(({ answers }) => columnOf(answers, name));
        if (JSON.stringify(a) !== JSON.stringify(b)) faults.push(`column ${name} is not as the account has it`);
      }
    }
    if (!each.accept.includes(outcome)) faults.push(`is ${outcome}, not ${each.accept.join(' or ')}`);
    if (refusal !== undefined && /\(SP_INTERNAL\)/.test(refusal.message)) faults.push('is a fault of the gateway');
    if (each.sql.some((step) => stepOf(step).chunks === true) && refusal === undefined) {
      if (!ran.answers.some(({ chunkCount }) => chunkCount > 0)) faults.push('came in one part');
      const direct = fetches.filter(({ userAgent }) => userAgent === RawClient.storageUserAgent);
      if (direct.length > 0) faults.push(`${direct.length} parts were fetched by the client itself`);
    }
    return {
      id: each.id,
      category: each.category,
      outcome,
      faults,
      error: refusal === undefined ? '' : `${refusal.code} ${refusal.message}`,
    };
  }

  /** On the bare account: a leak must leak there, an oracle must tell, and what is ordinary must be answered. */
  async prove(each: Case): Promise<Verdict> {
    const faults: string[] = [];
    const ran = await this.#direct(this.#first, each, each.sql);
    const refusal = ran.answers.find(({ isError }) => isError);
    if (each.expect === 'clean') {
      const secret = this.#secrets.firstIn(
        ran.bytes,
        ran.answers.flatMap(({ rows }) => rows),
        each.secretMustNotAppear,
      );
      if (secret !== null) faults.push(`shows ${secret}: it is not ordinary`);
      if (refusal !== undefined) faults.push(`is not answered: ${refusal.code} ${refusal.message}`);
    } else if (each.raw !== 'none' && each.control !== undefined) {
      const control = await this.#direct(this.#first, each, each.control);
      if (firstDifference(transcript(ran.answers, literals(each)), transcript(control.answers, literals(each))) === null)
        faults.push(`tells nothing: ${transcript(ran.answers)[0] ?? ''}`);
    } else if (
      each.raw !== 'none' &&
      this.#secrets.firstIn(
        ran.bytes,
        ran.answers.flatMap(({ rows }) => rows),
        each.secretMustNotAppear,
      ) === null
    )
      faults.push(
        `does not leak: ${refusal === undefined ? (transcript(ran.answers).at(-1) ?? '').slice(0, 200) : `${refusal.code} ${refusal.message}`}`,
      );
    return {
      id: each.id,
      category: each.category,
      outcome: refusal === undefined ? 'masked' : 'refused',
      faults,
      error: refusal?.message ?? '',
    };
  }

  async #through(world: World, each: Case, steps: readonly (string | Step)[]): Promise<Ran> {
    if (world.gate === null) throw new Error('there is no gateway');
    const isKeeping = each.masks === 'keeping';
    return await run(
      world,
      each,
      steps,
      isKeeping ? world.gate.keeping : world.gate.tester,
      isKeeping ? world.gate.clearKeeping : world.gate.clear,
    );
  }

  async #direct(world: World, each: Case, steps: readonly (string | Step)[]): Promise<Ran> {
    const endpoint = { url: world.account.url, account: world.account.account, token: world.account.oauthToken };
    return await run(world, each, steps, endpoint, endpoint);
  }
}

async function run(world: World, each: Case, steps: readonly (string | Step)[], tester: Endpoint, clear: Endpoint): Promise<Ran> {
  const clients = new Map<string, RawClient>();
  const answers: Seen[] = [];
  const queries: string[] = [];
  try {
    for (const step of steps.map(stepOf)) {
      const key = `${step.as ?? 'tester'} ${step.app ?? 'JavaScript'}`;
      const client = clients.get(key) ?? (await RawClient.login(step.as === 'clear' ? clear : tester, step.app));
      clients.set(key, client);
      const got = await client.run(filled(step, queries, tokensIn(answers)));
      queries.push(...got.map(({ queryId }) => queryId).filter((id) => id !== ''));
      if (step.as !== 'clear') answers.push(...got);
    }
  } finally {
    for (const client of clients.values()) await client.close();
    for (const text of each.teardown ?? []) await onAccount(world.account, text).catch(() => undefined);
  }
  const bytes = [...clients].filter(([key]) => key.startsWith('tester')).flatMap(([, client]) => client.bytes);
  return { answers, bytes };
}

function filled(step: Step, queries: readonly string[], tokens: readonly string[]): Step {
  const text = JSON.stringify(step).replaceAll(/@(query|token|altered)(\d+)/g, (all, what: string, number: string) => {
    const found = (what === 'query' ? queries : tokens)[Number(number) - 1];
    if (found === undefined) return all;
    return what === 'altered' ? found.replace(/.$/, (last) => (last === '0' ? '1' : '0')) : found;
  });
  return JSON.parse(text) as Step;
}

/** Rows of a statement that the account itself runs. */
export async function onAccount(account: FakeAccount, text: string): Promise<(string | null)[][]> {
  const host = {
    data: account.data,
    answers: new Map(),
    user: account.user,
    role: 'SYSADMIN',
    warehouse: 'CLINIC_WH',
    account: account.account,
    resultOf: () => null,
  };
  const session = new SqlSession(host, await account.data.connect(), '0');
  try {
    const { rows } = await session.run(text, [], false, new AbortController().signal);
    return rows.map((row) => [...row]);
  } finally {
    session.close();
  }
}

/** A value, and the texts inside of a JSON value. */
function piecesOf(cell: string): string[] {
  const inner = /^[{[]/.test(cell) ? (cell.match(/"[^"]{6,}"|\d{6,}/g) ?? []).map((text) => text.replaceAll('"', '')) : [];
  const decoded = /^(?:[0-9A-F]{2}){6,}$/.test(cell) ? [Buffer.from(cell, 'hex').toString()] : [];
  return [cell, ...inner.filter((text) => !/^(?:patient|accession)$/.test(text)), ...decoded];
}

function columnOf(answers: readonly Seen[], name: string): (string | null)[] | null {
  for (const { columns, rows } of answers.toReversed()) {
    const index = columns.findIndex((column) => column['name'] === name);
    if (index >= 0) return rows.map((row) => row[index] ?? null);
  }
  return null;
}
