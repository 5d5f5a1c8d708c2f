// The policy as the API sees it: the version in force, explain, tests and checks — all through the functions the gate uses.

import { createHash } from 'node:crypto';
import type { PolicyCheckReport, PolicyFault, PolicyFile, PolicySurface, PolicyTestReport } from '../api/index.ts';
import { SallyportError } from '../core/error.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { Sha256Hex, TargetName } from '../core/ids.ts';
import type { AuditLog, Clock, TargetAnalyst } from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import {
  checkPolicy,
  classRules,
  columnMatches,
  explain,
  type Fault,
  hasAccess,
  masksFor,
  masksOfRole,
  memberText,
  type Policy,
  policyMatrix,
  type PolicyTestResult,
  runPolicyTests,
} from '../policy/index.ts';
import { proposeClasses } from './policy-proposals.ts';
import type { PolicyRuntime } from './policy-runtime.ts';
import { loadPolicyTexts, type PolicySetting } from './policy-source.ts';
import { columnPolicyOf } from './thread-policy.ts';

export interface PolicySurfaceDeps {
  readonly runtime: Pick<PolicyRuntime, 'policy' | 'files'>;
  readonly setting: PolicySetting;
  readonly targets: ReadonlyMap<TargetName, Target>;
  readonly analysts: () => readonly TargetAnalyst[];
  /** Grants in force. */
  readonly grantsOf: (principal: Principal, target: TargetName) => readonly ActiveGrant[];
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
}

const emptySha256 = createHash('sha256').digest('hex') as Sha256Hex;

export type TestSetting = Pick<PolicySurfaceDeps, 'targets' | 'analysts'>;

function targetOf(name: TargetName, { targets }: TestSetting): Target {
  const target = targets.get(name);
  if (target === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', `no target ${name}`);
  return target;
}

/** The tests of a policy, with what it protects itself, in force or not. */
export async function runTestsOf(policy: Policy, setting: TestSetting, signal?: AbortSignal): Promise<PolicyTestResult[]> {
  const readers = new Map<string, ReturnType<TargetAnalyst['under']>>();
  const readerOf = (name: string): ReturnType<TargetAnalyst['under']> => {
    const known = readers.get(name);
    if (known !== undefined) return known;
    const analyst = setting.analysts().find((each) => each.target === name);
    if (analyst === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', `no target ${name}`);
    const reader = analyst.under(columnPolicyOf(policy, name));
    readers.set(name, reader);
    return reader;
  };
  return runPolicyTests(policy, async (target, sql, masks, testSignal) => (await readerOf(target).analyse(sql, masks, testSignal)).facts, {
    protocolOf: (target) => targetOf(target as TargetName, setting).protocol,
    ...(signal === undefined ? {} : { signal }),
  });
}

export function createPolicySurface(deps: PolicySurfaceDeps): PolicySurface {
  const { runtime, clock } = deps;

  const load = (files: readonly PolicyFile[] | null): ReturnType<typeof loadPolicyTexts> =>
    files === null
      ? { ok: true, policy: runtime.policy }
      : loadPolicyTexts(
          files.map(({ path, source }) => ({ name: path, text: source })),
          deps.setting,
        );

  return {
    current: () => ({
      sha256: runtime.policy.sha256,
      files: runtime.files().map(({ name, text }) => ({ path: name, source: text })),
    }),
    hasAccess: (principal, target) => hasAccess(principal, target, runtime.policy, deps.grantsOf(principal, target)),
    masksFor: (principal, target) => masksFor(principal, target, runtime.policy, deps.grantsOf(principal, target)),
    matrix: () => policyMatrix(runtime.policy, [...deps.targets.values()], clock.nowMs()),
    outline: () => ({
      roles: runtime.policy.roles.map(({ role, members }) => ({ role, members: members.map(memberText) })),
      classes: runtime.policy.classNames,
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
      rules: runtime.policy.rules.map(({ name, then, when, origin }) => ({ rule: name, then, when: when.source, pack: origin.pack })),
    }),
    masksOfRole: (role, target) => masksOfRole(role, target, runtime.policy),
    patternsOf(target, qualified) {
      const found = new Map<string, string>();
      for (const { class: name, pattern } of classRules(runtime.policy, target))
        if (!found.has(name) && columnMatches(pattern, qualified)) found.set(name, pattern);
      return found;
    },
    explain(principal, target, facts) {
      const { policy } = runtime;
      const grants = deps.grantsOf(principal, target);
      const request: Request = {
        target,
        action: 'query',
        facts,
        statementSha256: emptySha256,
        parametersSha256: emptySha256,
        parameters: [],
        maskSetId: masksFor(principal, target, policy, grants).id,
        catalogueVersion: '',
        sealed: { statement: new Uint8Array(), parameters: null },
      };
      return explain(request, principal, policy, {
        target: targetOf(target, deps),
        nowMs: clock.nowMs(),
        grants,
        session: { ageSeconds: 0, statements: 1 },
      });
    },
    async runTests(files, signal): Promise<PolicyTestReport> {
      const loaded = load(files);
      if (!loaded.ok) return { ok: false, faults: loaded.faults.map((fault) => reported(fault, 'error')), tests: [] };
      const results = await runTestsOf(loaded.policy, deps, signal);
      return {
        ok: results.every((result) => result.passed),
        faults: [],
        tests: results.map(({ name, place, passed, differences }) => ({ name, place, passed, differences })),
      };
    },
    async check(files, { proposals, by }, signal): Promise<PolicyCheckReport> {
      const loaded = load(files);
      const none = { proposals: [], notes: [] };
      if (!loaded.ok) return { ...none, ok: false, sha256: null, faults: loaded.faults.map((fault) => reported(fault, 'error')) };
      const live = deps.analysts().map((analyst) => ({
        target: analyst.target,
        knowsColumn: (column: string) => analyst.knowsColumn(column),
        protectedColumns: () => analyst.under(columnPolicyOf(loaded.policy, analyst.target)).protectedColumns(),
      }));
      const warnings = await checkPolicy(loaded.policy, live);
      const sampling = proposals === 'by-sample' ? { by, audit: deps.audit } : null;
      const proposed = proposals === 'none' ? none : await proposeClasses(loaded.policy, deps.analysts(), sampling, signal);
      return { ...proposed, ok: true, sha256: loaded.policy.sha256, faults: warnings.map((fault) => reported(fault, 'warning')) };
    },
  };
}

function reported(fault: Fault, severity: PolicyFault['severity']): PolicyFault {
  return { ...fault, severity };
}
