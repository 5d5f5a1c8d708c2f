// Walks the tree of one statement: what it reads and writes, what its answer is made from, and every reason why it is not proven safe.

import { compareRevealing, type Mask, methodOf } from '../../core/mask.ts';
import { EFFECTS } from '../../core/facts.ts';
import { Constants } from './constants.ts';
import { Findings } from './findings.ts';
import { isTree, nodeKind, Refusal, tagged } from './nodes.ts';
import { classesOf } from './relations.ts';
import type { Column, Scope } from './scope.ts';
import type { PlanContext, PlannedOutput } from './types.ts';
import { shownAs } from './values.ts';
import { readExpression } from './walk-expression.ts';
import { readPredicate } from './walk-predicate.ts';
import { readQuery } from './walk-query.ts';
import { readStatement } from './walk-statement.ts';
import type { WalkEnv, Walked } from './walked.ts';
import { newBlock, type Rows, type Walker } from './walker.ts';

export interface Known extends Walked {
  /** What its outputs are made from: for the closure over views. Empty for a statement without an answer. */
  readonly values: readonly Column[];
}

const MAX_DEPTH = 150;
const MAX_STEPS = 200_000;

/** @param tree one statement as sqlparser gives it. Never throws for what a statement says: `unknowns` says why it is refused. */
export function walk(tree: unknown, env: WalkEnv): Known {
  const findings = new Findings(env.context);
  let verb = '';
  let rows: Rows | null = null;
  try {
    const walker = makeWalker(tree, env, findings);
    verb = verbOf(tree);
    rows = readStatement(tree, walker);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    findings.refuse(error.unknown);
  }
  return result(verb, rows, findings, env);
}

function makeWalker(tree: unknown, env: WalkEnv, findings: Findings): Walker {
  let depth = 0;
  let steps = 0;
  const walker: Walker = {
    env,
    findings,
    constants: new Constants(tree, env, findings),
    block: newBlock(),
    query: (query, outer, position) => walker.deeper(() => readQuery(query, outer, walker, position)),
    expression(expression, scope: Scope) {
      const value = readExpression(expression, scope, walker);
      for (const each of value.sources) findings.columns.add(each);
      return value;
    },
    predicate: (predicate, scope, where) => readPredicate(predicate, scope, walker, where),
    deeper(work) {
      steps += 1;
      if (depth >= MAX_DEPTH) throw new Refusal({ code: 'too-deep', what: 'statement', remedy: 'Nest fewer expressions and sub-queries.' });
      if (steps > MAX_STEPS) throw new Refusal({ code: 'too-large', what: 'statement', remedy: 'Split the statement.' });
      depth += 1;
      try {
        return work();
      } finally {
        depth -= 1;
      }
    },
  };
  return walker;
}

const VERBS: Readonly<Record<string, string>> = {
  Query: 'SELECT',
  Insert: 'INSERT',
  Update: 'UPDATE',
  Delete: 'DELETE',
  Merge: 'MERGE',
  CreateTable: 'CREATE TABLE',
  CreateView: 'CREATE VIEW',
};

function verbOf(tree: unknown): string {
  const [kind] = tagged(tree, 'statement');
  const verb = VERBS[kind];
  if (verb === undefined || !isTree(tree)) throw nodeKind(kind);
  return verb;
}

function result(verb: string, rows: Rows | null, findings: Findings, env: WalkEnv): Known {
  const { context } = env;
  for (const { value } of rows?.columns ?? []) {
    for (const each of value.sources) {
      findings.shown.add(each);
      findings.columns.add(each);
    }
  }
  const outputs = rows?.columns.map(({ name, value }): PlannedOutput => {
    const { mask, keyClass } = shownAs(value, context.masks);
    return {
      name,
      sources: sorted(value.sources),
      classes: sorted(value.classes),
      shape: value.stored === null ? 'derived' : 'value',
      mask: value.stored === null && compareRevealing(mask, 'redact') > 0 && mask !== 'clear' ? 'redact' : mask,
      keyClass,
      subjectOutput: isShiftedTogether(value.stored === null ? 'redact' : mask, keyClass, context) ? 'class' : null,
    };
  });
  const classes = new Set([...findings.columns].flatMap((each) => classesOf(each, undefined, context)));
  for (const each of [...findings.classes, ...(outputs ?? []).flatMap((output) => output.classes)]) classes.add(each);
  const open = sorted(rows?.open ?? []);
  return {
    verb,
    effects: EFFECTS.filter((each) => findings.effects.has(each)),
    relations: [...findings.relations.keys()].sort().flatMap((key) => findings.relations.get(key) ?? []),
    columns: sorted(findings.columns),
    shown: sorted(findings.shown),
    tested: sorted(findings.tested),
    open,
    classes: sorted(classes),
    predicateClasses: sorted(findings.predicateClasses),
    outputs: outputs ?? null,
    unknowns: findings.unknowns,
    edits: [...findings.edits.values()].sort((a, b) => a.start - b.start),
    bindEdits: findings.bindEdits,
    mayTell: findings.touchesHidden || [...classes].some((each) => findings.isHidden(each)),
    unbounded: open.some((each) => findings.protectedRelations.has(each)),
    limit: rows?.limit ?? null,
    changes: findings.changes,
    values: rows?.columns ?? [],
  };
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

/** Whose date it is matters only where the policy says how to tell: the whole class moves by one number of days otherwise. */
function isShiftedTogether(mask: Mask, keyClass: string | null, { rules }: PlanContext): boolean {
  return methodOf(mask) === 'date-shift' && !rules.some((rule) => rule.class === keyClass && rule.hasSubject === true);
}
