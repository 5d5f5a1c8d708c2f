// Statements that wait for approval: memory of many parked sessions, and how long after the reviewer's answer the client
// has its result. Reviewers answer over the API as people do, one at a time.

import { callApi } from '../../test/support/small-clinic.ts';
import { LoadClient } from './client.ts';
import { growthKiB, inspectOption, settledMemory } from './inspector.ts';
import type { Lab, Section } from './lab.ts';
import { format, quantile, table } from './numbers.ts';

/** Every held session has a connection to the server. */
export const heldLab = (count: number) => ({
  maxConnections: count + 50,
  limits: { maxSessions: count + 100 },
  nodeOptions: [inspectOption],
});

interface Parked {
  readonly client: LoadClient;
  readonly approval: Promise<string>;
  /** When the result came, or the fault. */
  readonly released: Promise<number | Error>;
}

/** Held by the rule of the bench policy. */
const query = 'SELECT id, ssn FROM patients';
/** The API takes 60 answers a minute from one reviewer. */
const answers = 50;

export async function held(lab: Lab): Promise<Section[]> {
  const { say, held: count } = lab.options;
  const gateway = await lab.gateway('durable');
  const officer = await gateway.files.issuer.token('olivia', { groups: ['privacy'], kind: 'person' });
  const warm = await LoadClient.open(gateway.login);
  await warm.query('SELECT abalance FROM pgbench_accounts WHERE aid = 1');
  const before = await settledMemory(gateway);
  const startedMs = performance.now();
  const parked: Parked[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const one = park(await LoadClient.open(gateway.login));
      await one.approval;
      parked.push(one);
      if (parked.length % 500 === 0) say(`${parked.length} statements are held`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  const parkedSeconds = (performance.now() - startedMs) / 1000;
  const after = await settledMemory(gateway);
  const growth = growthKiB(before, after, 1);
  const fromAnswer: number[] = [];
  const fromRequest: number[] = [];
  for (const { approval, released } of parked.slice(0, answers)) {
    const askedMs = performance.now();
    const { status, text } = await callApi(gateway.files, gateway.apiPort, officer, `/v1/approvals/${await approval}/answer`, {
      verdict: 'approve',
    });
    const answeredMs = performance.now();
    if (status !== 200) throw new Error(`the API answered ${status}: ${text}`);
    const at = await released;
    if (at instanceof Error) throw at;
    fromAnswer.push(Math.max(0, at - answeredMs));
    fromRequest.push(at - askedMs);
  }
  for (const { client } of parked) client.close();
  for (const list of [fromAnswer, fromRequest]) list.sort((a, b) => a - b);
  const ms = (list: readonly number[]): string => `${format(quantile(list, 0.5), 1)} / ${format(list.at(-1), 1)}`;
  const rows = [
    ['statements held', String(parked.length), ''],
    ['parked in', `${parkedSeconds.toFixed(0)} s`, ''],
    ['RSS of the gateway before / with them', `${format(before.rssMiB, 0)} / ${format(after.rssMiB, 0)} MiB`, ''],
    ['growth of RSS / of the heap', `${format(growth.rss / 1024, 0)} / ${format((growth.heap ?? 0) / 1024, 0)} MiB`, '< 100 MiB'],
    [`release after the API's answer, p50 / worst of ${fromAnswer.length}`, `${ms(fromAnswer)} ms`, '<= 50 ms'],
    ['release after the request was sent, p50 / worst', `${ms(fromRequest)} ms`, ''],
  ];
  return [
    {
      title: 'Held statements',
      body: table(['what', 'measured', 'goal'], rows),
      data: { held: parked.length, before, after, fromAnswerMs: fromAnswer, fromRequestMs: fromRequest },
    },
  ];
}

function park(client: LoadClient): Parked {
  const approval = new Promise<string>((resolve, reject) => {
    client.onNotice = (text) => {
      const id = /apr_[a-z2-7]{26}/.exec(text)?.[0];
      if (id !== undefined) resolve(id);
    };
    setTimeout(() => reject(new Error('no notice of an approval came')), 30_000).unref();
  });
  const released = client.query(query).then(
    () => performance.now(),
    (fault: Error) => fault,
  );
  return { client, approval, released };
}
