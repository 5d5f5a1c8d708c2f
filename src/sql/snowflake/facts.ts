// Facts of a request from what its statements are.

import { EFFECTS, type Facts } from '../../core/facts.ts';
import { fingerprint, normalise } from './digest.ts';
import type { Part } from './part.ts';
import type { PlanContext, PlannedOutput, SnowflakeCatalogue } from './types.ts';

export function factsOf(text: string, parts: readonly Part[], { catalogue }: PlanContext): Facts {
  const effects = new Set(parts.flatMap((each) => each.effects));
  const uses = new Map(parts.flatMap((each) => each.relations).map((use) => [`${use.name} ${use.access}`, use]));
  const outputs = parts.findLast((each) => (each.outputs?.length ?? 0) > 0)?.outputs ?? [];
  const known = knownNames(catalogue);
  return {
    verbs: parts.map(({ verb }) => verb),
    statements: parts.length,
    effects: EFFECTS.filter((effect) => effects.has(effect)),
    relations: [...uses.values()].sort((left, right) => compare(left.name, right.name) || compare(left.access, right.access)),
    columns: sorted(parts.flatMap(({ columns }) => columns)),
    classes: sorted(parts.flatMap(({ classes }) => classes)),
    outputs: outputs.map(({ name, sources, classes }) => ({ name: name ?? '', sources, classes })),
    outputClasses: sorted(parts.flatMap((each) => (each.outputs ?? []).flatMap(({ classes }: PlannedOutput) => classes))),
    predicateClasses: sorted(parts.flatMap(({ predicateClasses }) => predicateClasses)),
    lineage: {
      shown: sorted(parts.flatMap(({ shown }) => shown)),
      tested: sorted(parts.flatMap(({ tested }) => tested)),
      open: sorted(parts.flatMap(({ open }) => open)),
    },
    unbounded: parts.some(({ unbounded }) => unbounded),
    limit: parts.at(-1)?.limit ?? null,
    unknowns: parts.flatMap(({ unknowns }) => unknowns),
    normalised: normalise(text, (name) => known.has(name)),
    fingerprint: fingerprint(text),
  };
}

const names = new WeakMap<SnowflakeCatalogue, ReadonlySet<string>>();

/** Names of databases, schemas, relations and columns. */
function knownNames(catalogue: SnowflakeCatalogue): ReadonlySet<string> {
  let known = names.get(catalogue);
  if (known === undefined) {
    const all = catalogue.relations.flatMap(({ schema, name, columns }) => [schema, name, ...(columns ?? []).map((column) => column.name)]);
    names.set(catalogue, (known = new Set([...catalogue.databases, ...all])));
  }
  return known;
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort(compare);
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
