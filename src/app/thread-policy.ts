// The policy in force in one thread, as gate and adapters ask for it. It changes in one step: whoever asks in the same turn of the
// event loop gets one version.

import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { ColumnPolicy } from '../core/ports.ts';
import { classRules, decide, hasAccess, masksFor, type Policy, rolesOf, subjectsOf } from '../policy/index.ts';
import type { TargetPolicy } from '../protocols/postgres/planner.ts';
import type { SnowflakeTargetPolicy } from '../protocols/snowflake/planner.ts';
import type { GatePolicy } from '../session/gate.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { PostgresTargetDocument, SnowflakeTargetDocument } from './targets-schema.ts';

export class ThreadPolicy {
  readonly #targets: ConfigDocument['targets'];
  #policy: Policy;
  #forGate: GatePolicy;
  #forTargets: ReadonlyMap<string, TargetPolicy>;
  #forSnowflake: ReadonlyMap<string, SnowflakeTargetPolicy>;

  constructor(policy: Policy, targets: ConfigDocument['targets']) {
    this.#targets = targets;
    this.#policy = policy;
    this.#forGate = gatePolicyOf(policy);
    this.#forTargets = targetPoliciesOf(policy, targets);
    this.#forSnowflake = snowflakePoliciesOf(policy, targets);
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** The same object until the version changes. */
  get forGate(): GatePolicy {
    return this.#forGate;
  }

  /** The same object until the version changes. */
  forTarget(target: TargetName): TargetPolicy {
    const found = this.#forTargets.get(target);
    if (found === undefined) throw new SallyportError('SP_INTERNAL', `no target ${target}`);
    return found;
  }

  /** The same object until the version changes. */
  forSnowflake(target: TargetName): SnowflakeTargetPolicy {
    const found = this.#forSnowflake.get(target);
    if (found === undefined) throw new SallyportError('SP_INTERNAL', `no Snowflake target ${target}`);
    return found;
  }

  /** Follow up with `OpenGate.policyChanged` in the same turn. */
  replace(policy: Policy): void {
    const forTargets = targetPoliciesOf(policy, this.#targets);
    const forSnowflake = snowflakePoliciesOf(policy, this.#targets);
    this.#policy = policy;
    this.#forGate = gatePolicyOf(policy);
    this.#forTargets = forTargets;
    this.#forSnowflake = forSnowflake;
  }
}

/** What a policy says about the columns of one target. */
export function columnPolicyOf(policy: Policy, target: string): ColumnPolicy {
  return { version: policy.sha256, classRules: classRules(policy, target), subjectOf: subjectsOf(policy, target) };
}

function gatePolicyOf(policy: Policy): GatePolicy {
  return {
    isTimeless: policy.isTimeless,
    decide: (request, principal, target, nowMs, grants, session) => decide(request, principal, policy, { target, nowMs, grants, session }),
    masksFor: (principal, target, grants) => masksFor(principal, target.name, policy, grants),
    hasAccess: (principal, target, grants) => hasAccess(principal, target.name, policy, grants),
    rolesOf: (principal) => rolesOf(principal, policy),
  };
}

function targetPoliciesOf(policy: Policy, targets: ConfigDocument['targets']): ReadonlyMap<string, TargetPolicy> {
  const ofPostgres = targets.filter((target): target is PostgresTargetDocument => target.protocol === 'postgres');
  return new Map(
    ofPostgres.map(({ name, safeFunctions, catalogueTexts, partitionOrder }) => [
      name,
      {
        ...columnPolicyOf(policy, name),
        safeFunctions: new Set(safeFunctions),
        mayBeMissing: patternsOfPacks(policy),
        residuals: { catalogueTexts, partitionOrder },
      },
    ]),
  );
}

function snowflakePoliciesOf(policy: Policy, targets: ConfigDocument['targets']): ReadonlyMap<string, SnowflakeTargetPolicy> {
  const ofSnowflake = targets.filter((target): target is SnowflakeTargetDocument => target.protocol === 'snowflake');
  return new Map(
    ofSnowflake.map(({ name, safeFunctions }) => {
      const { version, classRules: rules } = columnPolicyOf(policy, name);
      return [name, { version, classRules: rules, safeFunctions: new Set(safeFunctions) }];
    }),
  );
}

/** Column patterns that only packs have: they are written for every clinic. */
function patternsOfPacks({ classes }: Policy): ReadonlySet<string> {
  const patterns = (own: boolean): string[] =>
    classes.filter(({ origin }) => (origin.pack === null) === own).flatMap((each) => each.patterns.map(({ column }) => column));
  const owned = new Set(patterns(true));
  return new Set(patterns(false).filter((pattern) => !owned.has(pattern)));
}
