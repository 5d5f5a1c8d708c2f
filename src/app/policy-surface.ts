// The policy as the API sees it: the version in force, explain, tests and checks — all through the functions the gate uses.

import { createHash } from 'node:crypto';
import type { PolicyCheckReport, PolicyFault, PolicyFile, PolicySurface, PolicyTestReport } from '../api/index.ts';
import { SallyportError } from '../core/error.ts';
import type { Sha256Hex, TargetName } from '../core/ids.ts';
import type { Clock, TargetAnalyst } from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { checkPolicy, explain, type Fault, hasAccess, masksFor, type Policy, type PolicyText, runPolicyTests } from '../policy/index.ts';
import { loadPolicyTexts, type PolicySetting } from './policy-source.ts';

export interface PolicySurfaceDeps {
  readonly policy: Policy;
  readonly files: readonly PolicyText[];
  readonly setting: PolicySetting;
  readonly targets: ReadonlyMap<TargetName, Target>;
  readonly analysts: () => readonly TargetAnalyst[];
  readonly clock: Clock;
}

const emptySha256 = createHash('sha256').digest('hex') as Sha256Hex;

export function createPolicySurface(deps: PolicySurfaceDeps): PolicySurface {
  const { policy, clock } = deps;
  const inForce: readonly PolicyFile[] = deps.files.map(({ name, text }) => ({ path: name, source: text }));

  const targetOf = (name: TargetName): Target => {
    const target = deps.targets.get(name);
    if (target === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', `no target ${name}`);
    return target;
  };
  const analystOf = (name: string): TargetAnalyst => {
    const analyst = deps.analysts().find((each) => each.target === name);
    if (analyst === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', `no target ${name}`);
    return analyst;
  };
  const load = (files: readonly PolicyFile[] | null): ReturnType<typeof loadPolicyTexts> =>
    files === null
      ? { ok: true, policy }
      : loadPolicyTexts(
          files.map(({ path, source }) => ({ name: path, text: source })),
          deps.setting,
        );

  return {
    current: () => ({ sha256: policy.sha256, files: inForce }),
    hasAccess: (principal, target) => hasAccess(principal, target, policy),
    masksFor: (principal, target) => masksFor(principal, target, policy),
    explain(principal, target, facts) {
      const request: Request = {
        target,
        action: 'query',
        facts,
        textSha256: emptySha256,
        parametersSha256: emptySha256,
        parameters: [],
        maskSetId: masksFor(principal, target, policy).id,
        catalogueVersion: '',
        sealed: { statement: new Uint8Array(), parameters: null },
      };
      return explain(request, principal, policy, { target: targetOf(target), nowMs: clock.nowMs() });
    },
    async runTests(files, signal): Promise<PolicyTestReport> {
      const loaded = load(files);
      if (!loaded.ok) return { ok: false, faults: loaded.faults.map((fault) => reported(fault, 'error')), tests: [] };
      const results = await runPolicyTests(
        loaded.policy,
        async (target, sql, masks, testSignal) => (await analystOf(target).analyse(sql, masks, testSignal)).facts,
        { protocolOf: (target) => targetOf(target as TargetName).protocol, ...(signal === undefined ? {} : { signal }) },
      );
      return {
        ok: results.every((result) => result.passed),
        faults: [],
        tests: results.map(({ name, place, passed, differences }) => ({ name, place, passed, differences })),
      };
    },
    async check(files): Promise<PolicyCheckReport> {
      const loaded = load(files);
      if (!loaded.ok) return { ok: false, sha256: null, faults: loaded.faults.map((fault) => reported(fault, 'error')) };
      const warnings = await checkPolicy(loaded.policy, deps.analysts());
      return { ok: true, sha256: loaded.policy.sha256, faults: warnings.map((fault) => reported(fault, 'warning')) };
    },
  };
}

function reported(fault: Fault, severity: PolicyFault['severity']): PolicyFault {
  return { ...fault, severity };
}
