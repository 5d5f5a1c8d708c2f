// Makes a failing unit small: drops steps, then takes the statements' parse trees apart (lists shortened, fields dropped,
// nodes replaced by what is inside of them) for as long as it still fails; texts that do not parse lose tokens instead.

import type { Parser } from '../../src/sql/parser.ts';
import type { LaneStep } from './lane.ts';
import { type Branch, type Tree, copyOf, isBranch, isExpression, isSource, put, sizeOf, slotsOf } from './tree.ts';

export interface ShrinkDeps {
  readonly parser: Parser;
  /** Whether these steps still fail. */
  readonly fails: (steps: readonly LaneStep[]) => Promise<boolean>;
  readonly nowMs: () => number;
}

/** @returns steps that still fail; as small as `budgetMs` allowed */
export async function shrink(
  steps: readonly LaneStep[],
  { parser, fails, nowMs }: ShrinkDeps,
  budgetMs = 45_000,
): Promise<readonly LaneStep[]> {
  const endMs = nowMs() + budgetMs;
  const still = async (candidate: readonly LaneStep[]): Promise<boolean> =>
    nowMs() < endMs && candidate.length > 0 && (await fails(candidate));
  let current = await shorterList(steps, still);
  for (let changed = true; changed && nowMs() < endMs;) {
    changed = false;
    for (let at = 0; at < current.length; at += 1) {
      const before = current;
      const replaced = (step: LaneStep): readonly LaneStep[] => [...before.slice(0, at), step, ...before.slice(at + 1)];
      const smaller = await smallerStep(before[at] ?? '', parser, async (step) => still(replaced(step)));
      if (smaller === null) continue;
      current = replaced(smaller);
      changed = true;
    }
    const fewer = await shorterList(current, still);
    changed ||= fewer.length < current.length;
    current = fewer;
  }
  return current;
}

type Still<T> = (candidate: T) => Promise<boolean>;

/** Drops runs of items, long ones first. */
async function shorterList<T>(items: readonly T[], still: Still<readonly T[]>): Promise<readonly T[]> {
  let current = items;
  for (let run = Math.ceil(current.length / 2); run >= 1; run = run === 1 ? 0 : Math.ceil(run / 2)) {
    for (let at = 0; at < current.length;) {
      const without = [...current.slice(0, at), ...current.slice(at + run)];
      if (without.length > 0 && (await still(without))) current = without;
      else at += run;
    }
  }
  return current;
}

/** Null = it cannot be made smaller. */
async function smallerStep(step: LaneStep, parser: Parser, still: Still<LaneStep>): Promise<LaneStep | null> {
  if (typeof step !== 'string') {
    const { q, params = [] } = step;
    const bare = q.replaceAll(/\$\d+/g, 'NULL');
    if (await still(bare)) return bare;
    const plain = Object.keys(step).length > 1 && params.length === 0 ? { q, resultFormats: [1] } : null;
    if (plain !== null && JSON.stringify(step) !== JSON.stringify(plain) && (await still(plain))) return plain;
  }
  const text = typeof step === 'string' ? step : step.q;
  const withText = (q: string): LaneStep => (typeof step === 'string' ? q : { ...step, q });
  const parsed = parser.parse(text);
  const smaller = parsed.ok
    ? await smallerTree(parsed.tree as unknown as Tree, text, parser, async (q) => still(withText(q)))
    : await fewerTokens(text, async (q) => still(withText(q)));
  return smaller === null ? null : withText(smaller);
}

async function fewerTokens(text: string, still: Still<string>): Promise<string | null> {
  const tokens = text.match(/'(?:[^']|'')*'|"[^"]*"|\w+|\s+|./gs) ?? [];
  const fewer = await shorterList(tokens, async (candidate) => still(candidate.join('')));
  return fewer.length < tokens.length ? fewer.join('') : null;
}

async function smallerTree(tree: Tree, text: string, parser: Parser, still: Still<string>): Promise<string | null> {
  let current = tree;
  let shown: string | null = null;
  const tried = new Set([text]);
  for (let changed = true; changed;) {
    changed = false;
    for (const candidate of reductions(current)) {
      const printed = parser.deparse(candidate as never);
      if (printed === null || printed === '' || tried.has(printed)) continue;
      tried.add(printed);
      if (!(await still(printed))) continue;
      current = candidate;
      shown = printed;
      changed = true;
      break;
    }
  }
  return shown;
}

const one: Branch = { A_Const: { ival: { ival: 1 } } };
const all: Branch = { ColumnRef: { fields: [{ A_Star: {} }] } };

/** Fields without which the printer fails, and says so on the console. */
const needed = /^(?:[A-Z].*|names|typeName|funcname|fields|kind|arg|func|functions)$/;

function mayGo(key: string, value: Tree): boolean {
  if (key === 'name') return typeof value === 'string';
  return !needed.test(key) && (typeof value === 'object' || value === true);
}

/** Smaller trees, those that lose most first. */
function* reductions(tree: Tree): Generator<Tree> {
  const made: { readonly size: number; readonly make: () => Tree }[] = [];
  const edit = (path: readonly (string | number)[], replacement: Tree | null): void => {
    const make = (): Tree => {
      const copy = copyOf(tree);
      const holder = path.slice(0, -1).reduce<Tree>((at, key) => (at as Branch)[key] ?? '', copy) as Branch | Tree[];
      const key = path.at(-1) ?? '';
      if (replacement !== null) put({ holder, key }, copyOf(replacement));
      else if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      return copy;
    };
    const old = path.reduce<Tree>((at, key) => (at as Branch)[key] ?? '', tree);
    made.push({ size: sizeOf(old) - (replacement === null ? 0 : sizeOf(replacement)), make });
  };
  const visit = (node: Tree, path: readonly (string | number)[]): void => {
    if (typeof node !== 'object') return;
    const entries: [string | number, Tree][] = Array.isArray(node) ? [...node.entries()] : Object.entries(node);
    // The deparser complains aloud of constants without a value.
    if (entries.length === 1 && entries[0]?.[0] === 'A_Const') return;
    const type = entries.length === 1 && isBranch(node) ? String(entries[0]?.[0]) : '';
    if (isExpression(type) || isSource(type) || type === 'SelectStmt') {
      const sort = (other: string): boolean =>
        isExpression(type) ? isExpression(other) : isSource(type) ? isSource(other) : other === 'SelectStmt';
      for (const inner of slotsOf(node)
        .filter((slot) => slot.node !== node && sort(slot.type))
        .slice(0, 24))
        edit(path, inner.node);
      if (isExpression(type) && sizeOf(node) > sizeOf(one)) for (const simple of [one, all]) edit(path, simple);
    }
    for (const [key, value] of entries) {
      if (Array.isArray(node) ? node.length > 1 : mayGo(String(key), value)) edit([...path, key], null);
      visit(value, [...path, key]);
    }
    // A set operation, or a CTE that is not needed: one side alone.
    if (isBranch(node)) for (const side of ['larg', 'rarg']) if (isBranch(node[side])) edit(path, node[side]);
  };
  visit(tree, []);
  for (const { size, make } of made.filter(({ size }) => size > 0).sort((a, b) => b.size - a.size)) if (size > 0) yield make();
}
