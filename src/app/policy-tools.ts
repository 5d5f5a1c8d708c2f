// diff, history, apply, rollback, replay and the access report: all over versions as they are kept and the record as it is, with the
// functions the gate uses.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PolicyApplyReport, PolicyFile, PolicyReference, PolicyToolsSurface, ReadPolicy } from '../api/index.ts';
import { SallyportError } from '../core/error.ts';
import type { ActorRef } from '../core/identity.ts';
import type { Sha256Hex, TargetName } from '../core/ids.ts';
import type { Clock, PolicyVersions, TargetAnalyst } from '../core/ports.ts';
import type { Target } from '../core/target.ts';
import {
  diffPolicies,
  type Fault,
  type LoadedPolicy,
  loadPolicy,
  loadVersion,
  type Policy,
  type PolicyText,
  splitSource,
} from '../policy/index.ts';
import { accessReport, replay, type ReplayDeps } from '../reports/index.ts';
import type { PolicyRuntime } from './policy-runtime.ts';
import { loadPolicyTexts, type PolicySetting } from './policy-source.ts';
import { runTestsOf } from './policy-surface.ts';
import { columnPolicyOf } from './thread-policy.ts';

export interface PolicyToolsDeps {
  readonly runtime: PolicyRuntime;
  readonly setting: PolicySetting;
  /** Roles that the configuration names. */
  readonly requiredRoles: readonly string[];
  /** The files that the configuration names, as they are now. @throws SP_CONFIG_INVALID */
  readonly readFiles: () => Promise<readonly PolicyText[]>;
  readonly versions: PolicyVersions;
  readonly targets: ReadonlyMap<TargetName, Target>;
  readonly analysts: () => readonly TargetAnalyst[];
  readonly source: ReplayDeps['source'];
  readonly claims: ReplayDeps['claims'];
  readonly clock: Clock;
}

export function createPolicyTools(deps: PolicyToolsDeps): PolicyToolsSurface {
  const { runtime, setting, versions, clock } = deps;
  const targetNames = [...deps.targets.keys()];
  const replayDeps: ReplayDeps = {
    source: deps.source,
    versions,
    targets: deps.targets,
    claims: deps.claims,
    async protectedColumns(policy, target) {
      const analyst = deps.analysts().find((each) => each.target === target);
      if (analyst === undefined) throw new SallyportError('SP_TARGET_UNKNOWN', `no target ${target}`);
      return analyst.under(columnPolicyOf(policy, target)).protectedColumns();
    },
  };

  /** @throws SP_POLICY_VERSION_UNKNOWN, also for a prefix that several versions have */
  const versionOf = async (prefix: string): Promise<{ readonly sha256: Sha256Hex; readonly source: string }> => {
    const found = (await versions.list()).filter(({ sha256 }) => sha256.startsWith(prefix));
    const [only] = found;
    if (only === undefined || found.length > 1) {
      throw new SallyportError('SP_POLICY_VERSION_UNKNOWN', `${found.length} policy versions begin with ${prefix}`);
    }
    const kept = await versions.get(only.sha256);
    if (kept === null) throw new SallyportError('SP_INTERNAL', 'a listed policy version is gone');
    return { sha256: only.sha256, source: kept.source };
  };

  /** @param isForUse it must fit the targets and identity providers of today. */
  const load = async (reference: PolicyReference, isForUse: boolean): Promise<LoadedPolicy> => {
    if (reference.kind === 'running') return { ok: true, policy: runtime.policy };
    if (reference.kind === 'configured') return loadPolicyTexts(await deps.readFiles(), setting);
    if (reference.kind === 'files') return loadPolicyTexts(reference.files.map(textOf), setting);
    const { sha256, source } = await versionOf(reference.sha256);
    const loaded = loadVersion(source, isForUse ? setting : {});
    if (loaded.ok && loaded.policy.sha256 !== sha256) throw new SallyportError('SP_INTERNAL', 'a kept policy version has another hash');
    return loaded;
  };

  const read = async <T>(reference: PolicyReference, use: (policy: Policy) => Promise<T> | T): Promise<ReadPolicy<T>> => {
    const loaded = await load(reference, false);
    return loaded.ok ? { ok: true, value: await use(loaded.policy) } : { ok: false, faults: loaded.faults.map(asError) };
  };

  const bring = async (
    reference: PolicyReference,
    how: 'apply' | 'rollback',
    { by, expected, skipTests }: Parameters<PolicyToolsSurface['apply']>[1],
    signal: AbortSignal,
  ): Promise<PolicyApplyReport> => {
    const refused = { ok: false, sha256: null, previous: null, isChanged: false, diff: null, tests: [] } as const;
    const loaded = await load(reference, true);
    if (!loaded.ok) return { ...refused, faults: loaded.faults.map(asError) };
    const { policy } = loaded;
    const missing = deps.requiredRoles.filter((role) => !policy.roles.some((each) => each.role === role));
    if (missing.length > 0) {
      const file = splitSource(policy.source)?.files[0]?.name ?? 'policy';
      const faults = missing.map((role) => ({
        file,
        line: 1,
        column: 1,
        path: 'roles',
        what: `the configuration names the role ${role}, which is not defined`,
        suggestion: null,
      }));
      return { ...refused, faults: faults.map(asError) };
    }
    const before = runtime.policy;
    const diff = diffPolicies(before, policy, targetNames);
    const common = { sha256: policy.sha256, previous: before.sha256, diff, faults: [] };
    if (policy.sha256 === before.sha256) return { ...common, ok: true, isChanged: false, tests: [] };
    const tests = skipTests ? [] : await runTestsOf(policy, deps, signal);
    const results = tests.map(({ name, place, passed, differences }) => ({ name, place, passed, differences }));
    if (tests.some(({ passed }) => !passed)) return { ...common, ok: false, isChanged: false, tests: results };
    const state = skipTests ? 'skipped' : tests.length === 0 ? 'none' : 'passed';
    // What was compared and tested must be what is replaced.
    const previous = await runtime.apply(policy, { how, by: actorOf(by), tests: state, expected: expected ?? before.sha256 });
    return { ...common, previous, ok: true, isChanged: true, tests: results };
  };

  return {
    diff: (from, to) =>
      read(from, async (before) => {
        const after = await read(to, (policy) => policy);
        if (!after.ok) return after;
        const { sha256 } = after.value;
        return { ok: true as const, value: { from: before.sha256, to: sha256, diff: diffPolicies(before, after.value, targetNames) } };
      }).then((both) => (both.ok ? both.value : both)),
    async history(limit) {
      const loadedBy = new Map<string, Policy | null>();
      const loadKept = async (sha256: Sha256Hex): Promise<Policy | null> => {
        const known = loadedBy.get(sha256);
        if (known !== undefined) return known;
        const kept = await versions.get(sha256);
        const loaded = kept === null ? null : loadVersion(kept.source);
        const policy = loaded?.ok === true ? loaded.policy : null;
        loadedBy.set(sha256, policy);
        return policy;
      };
      const rows = [];
      for (const application of await versions.applications(limit)) {
        // Loading a very large version keeps this thread busy; traffic has its turn between two of them.
        await nextTurn();
        const [before, after] = [
          application.previous === null ? null : await loadKept(application.previous),
          await loadKept(application.sha256),
        ];
        rows.push({ ...application, diff: before === null || after === null ? null : diffPolicies(before, after, targetNames) });
      }
      return { inForce: runtime.policy.sha256, applications: rows };
    },
    apply: (files, who, signal) => bring(files === null ? { kind: 'configured' } : { kind: 'files', files }, 'apply', who, signal),
    rollback: (sha256, who, signal) => bring({ kind: 'version', sha256 }, 'rollback', who, signal),
    replay: (reference, filter, onProgress, signal) =>
      read(reference, (policy) => replay(policy, { ...filter, untilMs: filter.untilMs ?? clock.nowMs() }, replayDeps, onProgress, signal)),
    accessReport({ roles, ...filter }, onProgress, signal) {
      const { policy } = runtime;
      const { files = [], packs = new Map<string, string>() } = splitSource(policy.source) ?? {};
      // With the packs of the version in force, which may not be those of today.
      const loadOwn = (own: readonly PolicyText[]): LoadedPolicy =>
        loadPolicy({ files: own, packs: (name) => packs.get(name), ...setting });
      const options = { policy, files, roles, load: loadOwn, filter: { ...filter, untilMs: filter.untilMs ?? clock.nowMs() } };
      return accessReport(options, replayDeps, onProgress, signal);
    },
  };
}

function textOf({ path, source }: PolicyFile): PolicyText {
  return { name: path, text: source };
}

function asError(fault: Fault): Fault & { readonly severity: 'error' } {
  return { ...fault, severity: 'error' };
}

function actorOf({ issuer, subject, kind }: ActorRef): ActorRef {
  return { issuer, subject, kind };
}
