// Versions and how they are named; what the tools say about them over a real gateway is in test/e2e/policy-tools.e2e.test.ts.

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createMemoryStore, type MemoryStore } from '../../test/support/memory-store.ts';
import { people, policyOf, principalOf } from '../../test/support/policy.ts';
import { recordedLog } from '../../test/support/recorded-log.ts';
import { clinic } from '../core/testing.ts';
import type { PolicyToolsSurface } from '../api/index.ts';
import { type ErrorCode, SallyportError } from '../core/error.ts';
import type { Sha256Hex } from '../core/ids.ts';
import { type Policy, type PolicyText, splitSource } from '../policy/index.ts';
import { type Applying, PolicyRuntime } from './policy-runtime.ts';
import { createPolicyTools } from './policy-tools.ts';

const never = new AbortController().signal;
const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
const clock = { nowMs: () => 1000, monotonicMs: () => 0 };
const running = policyOf(people);
const other = policyOf(`${people}rules: [{ name: no-bulk, when: request.unbounded, then: deny }]\n`);
const who = { by: principalOf({ kind: 'person' }), expected: null, skipTests: false };
const filesOf = (policy: Policy): readonly PolicyText[] => splitSource(policy.source)?.files ?? assert.fail();
const sent = (policy: Policy) => filesOf(policy).map(({ name, text }) => ({ path: name, source: text }));

describe('policy tools of the gateway', () => {
  let store: MemoryStore;
  let tools: PolicyToolsSurface;
  let applied: Applying[];
  beforeEach(async () => {
    store = createMemoryStore();
    applied = [];
    const versions = store.policies;
    const runtime = new PolicyRuntime({
      policy: running,
      versions,
      audit: { append: async () => 0 },
      clock,
      targets: ['clinic'],
      readFiles: async () => filesOf(running),
      threads: { prepare: async () => {}, use: async () => {} },
      voidHeld: async () => {},
    });
    const apply = runtime.apply.bind(runtime);
    runtime.apply = (policy, applying) => {
      applied.push(applying);
      return apply(policy, applying);
    };
    const log = recordedLog(running);
    tools = createPolicyTools({
      runtime,
      setting: { targets: ['clinic'], issuers: ['corp'] },
      requiredRoles: ['privacy-officer'],
      readFiles: async () => filesOf(running),
      versions,
      targets: new Map([[clinic.name, clinic]]),
      analysts: () => [],
      source: log.deps.source,
      claims: log.deps.claims,
      clock,
    });
    for (const { sha256, source } of [running, other]) await versions.put({ sha256, source, appliedAtMs: 1 });
  });

  it('name a version by what its hash begins with, as long as only one begins so', async () => {
    const found = await tools.diff({ kind: 'running' }, { kind: 'version', sha256: other.sha256.slice(0, 12) as Sha256Hex });
    assert.ok(found.ok);
    assert.equal(found.value.to, other.sha256);
    const twin = `${other.sha256.slice(0, 12)}${'0'.repeat(52)}` as Sha256Hex;
    await store.policies.put({ sha256: twin, source: other.source, appliedAtMs: 2 });
    for (const sha256 of [other.sha256.slice(0, 12), 'abcdef'] as Sha256Hex[]) {
      await assert.rejects(tools.diff({ kind: 'running' }, { kind: 'version', sha256 }), code('SP_POLICY_VERSION_UNKNOWN'), sha256);
      await assert.rejects(tools.rollback(sha256, who, never), code('SP_POLICY_VERSION_UNKNOWN'), sha256);
    }
    // What is kept under a hash that it does not have is not used.
    await assert.rejects(tools.diff({ kind: 'running' }, { kind: 'version', sha256: twin }), code('SP_INTERNAL'));
  });

  it('apply what is in force already without a change, and bind what they bring to what was compared', async () => {
    const same = await tools.apply(sent(running), who, never);
    assert.deepEqual([same.ok, same.isChanged, same.diff?.isEqual, applied.length], [true, false, true, 0]);
    const report = await tools.apply(sent(other), who, never);
    assert.deepEqual([report.ok, report.isChanged, report.previous, report.sha256], [true, true, running.sha256, other.sha256]);
    assert.deepEqual(
      applied.map(({ how, expected, tests }) => [how, expected, tests]),
      [['apply', running.sha256, 'none']],
    );
  });

  it('refuse a policy without a role that the configuration names, at a place in it', async () => {
    const [file] = sent(running);
    const source = file?.source.replaceAll('privacy-officer', 'other') ?? '';
    const report = await tools.apply([{ path: 'policy.yaml', source }], who, never);
    assert.deepEqual([report.ok, report.sha256, report.faults[0]?.file], [false, null, 'policy.yaml']);
    assert.match(report.faults[0]?.what ?? '', /the configuration names the role privacy-officer/);
    assert.deepEqual(applied, []);
  });

  it('show a version that does not load any more in the history, without a difference', async () => {
    const gone = 'f'.repeat(64) as Sha256Hex;
    await store.policies.put({ sha256: gone, source: 'no policy', appliedAtMs: 3 });
    const base = { atMs: 1, how: 'apply', by: null, insteadOf: null } as const;
    await store.policies.applied({ ...base, sha256: running.sha256, previous: null });
    await store.policies.applied({ ...base, sha256: other.sha256, previous: running.sha256 });
    await store.policies.applied({ ...base, sha256: gone, previous: other.sha256 });
    const { inForce, applications } = await tools.history(10);
    assert.equal(inForce, running.sha256);
    assert.deepEqual(
      applications.map(({ sha256, diff }) => [sha256, diff?.rules.length ?? null]),
      [
        [gone, null],
        [other.sha256, 1],
        [running.sha256, null],
      ],
    );
  });
});
