// A policy of many classes over many columns, in several files: for the bench of loading and for the test of what it does.

import type { PolicyText } from '../../src/policy/index.ts';

interface Size {
  readonly classes: number;
  readonly columnsPerClass: number;
  /** The columns are on the first of them. */
  readonly targets: readonly string[];
}

const files = 10;
const tables = 2000;

/** Every column, `schema.relation.column`. */
export function columnsOf({ classes, columnsPerClass }: Size): string[] {
  return Array.from({ length: classes * columnsPerClass }, (_, n) => `public.t${n % tables}.c${n}`);
}

/** One mask for each class but the first, one rule, one role with access to read. */
export function largePolicy(size: Size): PolicyText[] {
  const { classes, columnsPerClass, targets } = size;
  const columns = columnsOf(size);
  const classOf = (n: number): string => {
    const own = columns
      .slice(n * columnsPerClass, (n + 1) * columnsPerClass)
      .map((column) => JSON.stringify(`${targets[0] ?? '*'}:${column}`));
    return `  - { class: phi.c${n}, columns: [${own.join(', ')}]${n === 0 ? ', predicates: none' : ''} }\n`;
  };
  const part = (index: number): PolicyText => {
    const from = Math.floor((index * classes) / files);
    const to = Math.floor(((index + 1) * classes) / files);
    const entries = Array.from({ length: to - from }, (_, offset) => classOf(from + offset));
    return { name: `classes-${index}.yaml`, text: `version: 1\nclasses:\n${entries.join('')}` };
  };
  const masks = Array.from({ length: classes - 1 }, (_, n) => `  - { class: phi.c${n + 1}, mask: year }\n`);
  const main = `version: 1
roles:
  - { role: reporting-agent, members: [{ issuer: corp, group: ai-agents }] }
access:
  - { role: reporting-agent, targets: [${targets.join(', ')}], effects: [read] }
rules:
  - { name: bulk, when: "request.unbounded && request.classes.exists(c, c.startsWith('phi.'))", then: deny }
masks:
${masks.join('')}`;
  return [{ name: 'policy.yaml', text: main }, ...Array.from({ length: files }, (_, index) => part(index))];
}
