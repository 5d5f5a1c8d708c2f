// The policy version in force in the whole gateway, and how another one comes into force: checked, kept, recorded, then used by all
// threads. What was held under the version before is void.
// INVARIANT: no decision under a version before `policy.applied` for it is durable.

import { SallyportError } from '../core/error.ts';
import type { ActorRef } from '../core/identity.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { AuditLog, Clock, Logger, PolicyApplication, PolicyVersions } from '../core/ports.ts';
import { diffPolicies, filesSha256, loadVersion, type Policy, type PolicyText, splitSource } from '../policy/index.ts';
import { renderFaults } from './config.ts';
import type { PolicySetting } from './policy-source.ts';

export interface PolicyRuntimeDeps {
  /** At the start. */
  readonly policy: Policy;
  readonly versions: PolicyVersions;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly targets: readonly string[];
  /** The files that the configuration names, as they are now. @throws SP_CONFIG_INVALID */
  readonly readFiles: () => Promise<readonly PolicyText[]>;
  readonly threads: {
    /** @throws SP_INTERNAL: then nothing has changed */
    prepare(policy: Policy): Promise<void>;
    /** This thread at once, then all others. Never rejects. */
    use(policy: Policy): Promise<void>;
  };
  /** Ends what is held under another version. */
  readonly voidHeld: () => Promise<void>;
}

/** Who brings a version into force, and how it was checked. */
export interface Applying {
  readonly how: 'apply' | 'rollback';
  readonly by: ActorRef;
  readonly tests: 'passed' | 'skipped' | 'none';
  /** In force as the one who applies knows it; null = whatever is. */
  readonly expected: Sha256Hex | null;
}

export class PolicyRuntime {
  readonly #deps: PolicyRuntimeDeps;
  #policy: Policy;
  /** One after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: PolicyRuntimeDeps) {
    this.#deps = deps;
    this.#policy = deps.policy;
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Own files of the version in force. */
  files(): readonly PolicyText[] {
    return splitSource(this.#policy.source)?.files ?? [];
  }

  /** @param policy loaded, and checked by the caller. @returns the version before.
   *  @throws SP_POLICY_CONFLICT, SP_STORE_UNAVAILABLE, SP_INTERNAL: nothing has changed; SP_AUDIT_UNWRITABLE: the gateway ends */
  apply(policy: Policy, applying: Applying): Promise<Sha256Hex> {
    const result = this.#turn.then(() => this.#apply(policy, applying));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #apply(policy: Policy, { how, by, tests, expected }: Applying): Promise<Sha256Hex> {
    const { versions, audit, clock, targets, threads, readFiles, voidHeld } = this.#deps;
    const before = this.#policy;
    if (expected !== null && expected !== before.sha256)
      throw new SallyportError('SP_POLICY_CONFLICT', 'another version is in force by now');
    const files = filesSha256(await readFiles());
    const insteadOf = files === filesSha256(splitSource(policy.source)?.files ?? []) ? null : files;
    const atMs = clock.nowMs();
    await versions.put({ sha256: policy.sha256, source: policy.source, appliedAtMs: atMs });
    await threads.prepare(policy);
    // First: if the power fails now, the gateway starts with this version and records that.
    await versions.applied({ sha256: policy.sha256, atMs, how, by, previous: before.sha256, insteadOf });
    const { issuer, subject, kind } = by;
    await audit.append({
      type: 'policy.applied',
      principal: { issuer, subject, kind },
      policy: { sha256: policy.sha256 },
      detail: { how, previous: before.sha256, tests, isInstead: insteadOf !== null, ...changeCounts(before, policy, targets) },
    });
    this.#policy = policy;
    await threads.use(policy);
    await voidHeld();
    return before.sha256;
  }
}

/** How many roles, access entries, classes, masks and rules differ; the versions themselves are kept. */
function changeCounts(before: Policy, after: Policy, targets: readonly string[]): Readonly<Record<string, number>> {
  const { roles, access, classes, masks, rules } = diffPolicies(before, after, targets);
  return { roles: roles.length, access: access.length, classes: classes.length, masks: masks.length, rules: rules.length };
}

export interface StartingPolicy {
  readonly policy: Policy;
  /** It stands instead of the files. */
  readonly instead: PolicyApplication | null;
}

/** What is in force after a start: the version of the files, unless another was applied instead of exactly these files.
 *  @throws SP_CONFIG_INVALID when that one does not fit the configuration any more; SP_STORE_UNAVAILABLE */
export async function startingPolicy(
  ofFiles: Policy,
  files: readonly PolicyText[],
  { versions, setting, logger }: { readonly versions: PolicyVersions; readonly setting: PolicySetting; readonly logger: Logger },
): Promise<StartingPolicy> {
  const [last] = await versions.applications(1);
  if (last === undefined || last.insteadOf === null) return { policy: ofFiles, instead: null };
  if (last.insteadOf !== filesSha256(files)) {
    logger.warn(
      { before: last.sha256, now: ofFiles.sha256 },
      'the policy files have changed: they are in force instead of what was applied',
    );
    return { policy: ofFiles, instead: null };
  }
  const kept = await versions.get(last.sha256);
  const loaded = kept === null ? null : loadVersion(kept.source, setting);
  if (loaded?.ok !== true || loaded.policy.sha256 !== last.sha256) {
    const why = loaded?.ok === false ? `\n${renderFaults(loaded.faults)}` : '';
    throw new SallyportError(
      'SP_CONFIG_INVALID',
      `policy ${last.sha256} was applied instead of the policy files and does not load any more; change the files to have them in force${why}`,
    );
  }
  logger.warn({ policy: last.sha256, how: last.how }, 'the policy in force is not that of the files: it was applied instead of them');
  return { policy: loaded.policy, instead: last };
}

/** Keeps the version that the gateway starts with, and records it. */
export async function recordStart(
  { policy, instead }: StartingPolicy,
  { versions, audit, clock }: Pick<PolicyRuntimeDeps, 'versions' | 'audit' | 'clock'>,
): Promise<void> {
  const atMs = clock.nowMs();
  await versions.put({ sha256: policy.sha256, source: policy.source, appliedAtMs: atMs });
  const [last] = await versions.applications(1);
  if (instead === null && (last === undefined || last.sha256 !== policy.sha256 || last.insteadOf !== null)) {
    const previous = last?.sha256 ?? null;
    await versions.applied({ sha256: policy.sha256, atMs, how: 'start', by: null, previous, insteadOf: null });
  }
  await audit.append({
    type: 'policy.applied',
    policy: { sha256: policy.sha256 },
    detail: { how: 'start', isInstead: instead !== null, ...(last === undefined ? {} : { previous: last.sha256 }) },
  });
}
