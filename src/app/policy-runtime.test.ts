import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createMemoryStore, type MemoryStore } from '../../test/support/memory-store.ts';
import { people, policyOf } from '../../test/support/policy.ts';
import type { EntryDraft } from '../core/event.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { Logger } from '../core/ports.ts';
import { filesSha256, type Policy, type PolicyText, splitSource } from '../policy/index.ts';
import { PolicyRuntime, recordStart, startingPolicy } from './policy-runtime.ts';

const first = policyOf(people);
const second = policyOf(`${people}\n# second`);
const third = policyOf(`${people}\n# third`);
const by = { issuer: 'corp', subject: 'otto', kind: 'person' as const };
const applying = { how: 'apply', by, tests: 'passed', expected: null } as const;
const filesOf = (policy: Policy): readonly PolicyText[] => splitSource(policy.source)?.files ?? assert.fail();
const setting = { targets: ['clinic'], issuers: ['corp'] };
const clock = { nowMs: () => 1000, monotonicMs: () => 0 };

interface Bench {
  readonly store: MemoryStore;
  readonly entries: EntryDraft[];
  /** What happened, in order. */
  readonly order: string[];
  disk: Policy;
  fail: 'prepare' | 'audit' | null;
}

let bench: Bench;
beforeEach(() => {
  bench = { store: createMemoryStore(), entries: [], order: [], disk: first, fail: null };
});

const audit = {
  async append(entry: EntryDraft): Promise<number> {
    if (bench.fail === 'audit') throw new Error('disk full');
    bench.order.push(entry.type);
    return bench.entries.push(entry) - 1;
  },
};
const warned: string[] = [];
const logger: Logger = { info() {}, warn: (_fields, message) => void warned.push(message), error() {} };

async function start(): Promise<PolicyRuntime> {
  const versions = bench.store.policies;
  const starting = await startingPolicy(bench.disk, filesOf(bench.disk), { versions, setting, logger });
  await recordStart(starting, { versions, audit, clock });
  bench.order.length = 0;
  return new PolicyRuntime({
    policy: starting.policy,
    versions,
    audit,
    clock,
    targets: ['clinic'],
    readFiles: async () => filesOf(bench.disk),
    threads: {
      async prepare() {
        if (bench.fail === 'prepare') throw new Error('a worker has loaded another policy');
        bench.order.push('prepare');
      },
      async use(policy) {
        bench.order.push(`use ${policy.sha256}`);
      },
    },
    voidHeld: async () => void bench.order.push('void'),
  });
}

describe('the policy in force', () => {
  it('INVARIANT: another version is kept and recorded before any thread uses it; then what is held is void', async () => {
    const runtime = await start();
    assert.equal(await runtime.apply(second, applying), first.sha256);
    assert.deepEqual(bench.order, ['prepare', 'policy.applied', `use ${second.sha256}`, 'void']);
    assert.equal(runtime.policy, second);
    assert.equal((await bench.store.policies.get(second.sha256))?.source, second.source);
    const { principal, policy, detail } = bench.entries.at(-1) ?? assert.fail();
    assert.deepEqual([principal, policy?.sha256], [by, second.sha256]);
    assert.deepEqual(
      [detail?.['how'], detail?.['previous'], detail?.['tests'], detail?.['isInstead'], detail?.['rules']],
      ['apply', first.sha256, 'passed', true, 0],
    );
  });

  it('nothing changes when a thread cannot load it, the store fails or it cannot be recorded', async () => {
    const runtime = await start();
    bench.fail = 'prepare';
    await assert.rejects(runtime.apply(second, applying));
    bench.fail = 'audit';
    await assert.rejects(runtime.apply(second, applying));
    bench.fail = null;
    bench.store.failNext('lose');
    await assert.rejects(runtime.apply(second, applying), { code: 'SP_STORE_UNAVAILABLE' });
    assert.equal(runtime.policy, first);
    assert.deepEqual(
      bench.order.filter((step) => step.startsWith('use')),
      [],
    );
  });

  it('two who apply at once take turns, and who expects another version is refused', async () => {
    const runtime = await start();
    const expected = first.sha256;
    const [one, other] = await Promise.allSettled([
      runtime.apply(second, { ...applying, expected }),
      runtime.apply(third, { ...applying, expected }),
    ]);
    assert.equal(one.status, 'fulfilled');
    assert.equal(other.status === 'rejected' && other.reason.code, 'SP_POLICY_CONFLICT');
    assert.equal(runtime.policy, second);
    await runtime.apply(third, { ...applying, expected: second.sha256 });
    assert.equal(runtime.policy, third);
  });

  it('what was applied instead of the files outlives a restart until they change; the version of the files does not', async () => {
    await (await start()).apply(second, applying);
    assert.equal((await start()).policy.sha256, second.sha256);
    assert.deepEqual(bench.entries.at(-1)?.detail, { how: 'start', isInstead: true, previous: second.sha256 });
    assert.match(warned.at(-1) ?? '', /not that of the files/);
    bench.disk = third;
    assert.equal((await start()).policy.sha256, third.sha256);
    bench.disk = first;
    assert.equal((await start()).policy.sha256, first.sha256, 'nothing of before comes back');
    // Applied from the files themselves: nothing stands instead of them.
    bench.disk = second;
    await (await start()).apply(second, applying);
    assert.equal((await bench.store.policies.applications(1))[0]?.insteadOf, null);
  });

  it('writes the history: each start with other files, each application', async () => {
    const runtime = await start();
    await start();
    await runtime.apply(second, { ...applying, how: 'rollback' });
    await start();
    assert.deepEqual(
      (await bench.store.policies.applications(10)).map(({ sha256, how, by: who, previous }) => [
        sha256,
        how,
        who?.subject ?? null,
        previous,
      ]),
      [
        [second.sha256, 'rollback', 'otto', first.sha256],
        [first.sha256, 'start', null, null],
      ],
    );
  });

  it('refuses to start when what was applied does not fit the configuration any more, or was damaged', async () => {
    const lab = policyOf(`${people}  - { role: reporting-agent, targets: [lab], effects: [read] }\n`);
    await (await start()).apply(lab, applying);
    await assert.rejects(
      start(),
      (fault: Error & { code?: string }) =>
        fault.code === 'SP_CONFIG_INVALID' && /change the files to have them in force[\s\S]*targets/.test(fault.message),
    );
    bench.disk = second;
    assert.equal((await start()).policy, second);
    const damaged = { sha256: 'ab'.repeat(32) as Sha256Hex, source: second.source };
    await bench.store.policies.put({ ...damaged, appliedAtMs: 0 });
    const [last] = await bench.store.policies.applications(1);
    await bench.store.policies.applied({ ...last!, sha256: damaged.sha256, insteadOf: filesSha256(filesOf(second)) });
    await assert.rejects(start(), { code: 'SP_CONFIG_INVALID' });
  });
});
