// What end-to-end files share that start gateways of their own before one small clinic. What a test opens ends with it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { verifyLog } from '../../src/audit/index.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import { type TestGateway, type TestGatewayOptions, startTestGateway } from './gateway.ts';
import {
  type Running,
  type ServedGateway,
  type SmallClinic,
  auditEntries,
  serve,
  smallClinicPolicy,
  startSmallClinic,
} from './small-clinic.ts';

export interface ClinicTests {
  /** There from the first test on. */
  readonly clinic: SmallClinic;
  /** Closed after each test, the last one first. */
  readonly open: { close(): Promise<void> }[];
  /** Killed after each test, before `open` is closed. */
  readonly children: Running[];
  /** A gateway before the clinic, closed after the test. */
  readonly gatewayOf: (options?: Partial<TestGatewayOptions>) => Promise<TestGateway>;
  /** `sallyport serve` on the files of a gateway, killed after the test. */
  readonly served: (gateway: TestGateway, env?: Readonly<Record<string, string>>) => Promise<ServedGateway>;
}

/** Registers the hooks of the file that calls it. `prepare` runs before anything is started. */
export function clinicTests(prepare: () => void = () => undefined): ClinicTests {
  let clinic: SmallClinic | undefined;
  const open: { close(): Promise<void> }[] = [];
  const children: Running[] = [];
  before(async () => {
    prepare();
    clinic = await startSmallClinic();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const each of open.splice(0).toReversed()) await each.close();
  });
  after(() => clinic?.stop());
  const tests: ClinicTests = {
    get clinic() {
      return clinic ?? assert.fail('the clinic starts before the first test');
    },
    open,
    children,
    async gatewayOf(options = {}) {
      const gateway = await startTestGateway({ targets: [tests.clinic.target], policy: smallClinicPolicy, ...options });
      open.push(gateway);
      return gateway;
    },
    async served(gateway, env = {}) {
      const child = await serve(gateway.configFile, env);
      children.push(child);
      return child;
    },
  };
  return tests;
}

export const clerkOf = ({ issuer }: Pick<TestGateway, 'issuer'>): Promise<string> => issuer.token('clerk-1', { groups: ['clerks'] });
export const officerOf = ({ issuer }: Pick<TestGateway, 'issuer'>): Promise<string> =>
  issuer.token('olivia', { groups: ['privacy'], kind: 'person' });

export async function entriesOf(gateway: TestGateway, apiPort = gateway.running.api.port): Promise<EntryHeader[]> {
  return auditEntries(gateway, apiPort, await officerOf(gateway));
}

/** Fails the test unless the gateway's log verifies. @returns its size */
export async function isWholeAndSigned({ directory }: TestGateway): Promise<number> {
  const vkey = readFileSync(join(directory, 'keys', 'log.vkey'), 'utf8').trim();
  const verdict = await verifyLog(join(directory, 'data', 'audit'), { vkey });
  assert.deepEqual(verdict.problems, []);
  assert.ok(verdict.ok);
  return verdict.size;
}
