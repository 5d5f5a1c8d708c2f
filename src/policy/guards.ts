// What several rules demand is asked once for all of them: of 200 rules most begin with "agents only", "schema changes only"
// or "this group only". A rule with a demand that does not hold is false, whatever the rest of it says.

import type { ConditionInput } from './condition-fields.ts';
import type { Demand } from './refute.ts';

export interface Guards {
  /** What at least two rules demand. */
  readonly demands: readonly Demand[];
  /** Rules that share the same ones of `demands`, by their positions there. */
  readonly groups: readonly (readonly number[])[];
  /** By position of the rule: position of its group. */
  readonly ofRule: readonly number[];
}

/** @param demandsOfRules what each rule cannot be true without */
export function guardsOf(demandsOfRules: readonly (readonly Demand[])[]): Guards {
  const counts = new Map<string, number>();
  for (const demands of demandsOfRules) {
    for (const key of new Set(demands.map((each) => each.key))) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const positions = new Map<string, number>();
  const demands: Demand[] = [];
  for (const demand of demandsOfRules.flat()) {
    if (positions.has(demand.key) || (counts.get(demand.key) ?? 0) < 2) continue;
    positions.set(demand.key, demands.length);
    demands.push(demand);
  }
  const groups: (readonly number[])[] = [];
  const known = new Map<string, number>();
  const ofRule = demandsOfRules.map((own) => {
    const shared = [...new Set(own.flatMap(({ key }) => positions.get(key) ?? []))].toSorted((left, right) => left - right);
    const key = shared.join();
    const group = known.get(key) ?? groups.push(shared) - 1;
    known.set(key, group);
    return group;
  });
  return { demands, groups, ofRule };
}

/** By position of the group: false = none of its rules can be true. */
export function openGroups({ demands, groups }: Guards, input: ConditionInput): readonly boolean[] {
  const held = demands.map(({ holds }) => holds(input));
  return groups.map((group) => group.every((position) => held[position] === true));
}
