// Plans a client text: parse, walk and rewrite each statement, print, parse again and compare. One refused statement
// refuses the text. When nothing had to change, the client's own text is forwarded.

import type { Facts, Unknown } from '../core/facts.ts';
import { EFFECTS } from '../core/facts.ts';
import type { Relation } from './catalogue.ts';
import type { Plan, PlanContext, PlannedStatement, SessionChange, SessionObjects } from './plan.ts';
import type { Node, ParseResult, Parser } from './parser.ts';
import { MAX_DEPTH, MAX_PARAMETERS, MAX_TEXT_BYTES, MAX_TOKENS } from './parser-limits.ts';
import { redact } from './redact.ts';
import { maskBook, SYSTEM_COLUMNS } from './rewrite.ts';
import type { Body, MaskBook } from './rewrite.ts';
import { StandIns, writeTree } from './rewrite-text.ts';
import { isHeld } from './statements-query.ts';
import { StatementPlan, tagged } from './statements-plan.ts';
import { joined, keptSubjects } from './subject-uses.ts';
import type { PlanTokens } from './token-values.ts';

/** Never throws for anything a client can write. */
export function plan(text: string, context: PlanContext, parser: Parser): Plan {
  const parsed = parser.parse(text);
  if (!parsed.ok) return refusedText(text, context, parser, parsed);
  const masks = maskBook(context.protection, context.maskColumn, parser, context.residuals);
  const roots = parsed.tree.stmts ?? [];
  const system = systemColumns(text, parsed.tree);
  const standIns = new StandIns();
  const objects = new ObjectsInText(context.objects);
  const plans = roots.flatMap((root) => {
    if (root.stmt === undefined) return [];
    objects.before(root.stmt);
    return [planOne(root.stmt, { ...context, objects }, masks, standIns, system)];
  });
  roots.forEach((root, index) => {
    const planned = plans[index];
    if (planned !== undefined) root.stmt = planned.node;
  });
  const facts = withCatalogueFaults(factsOf(text, plans, context, parser), context, masks);
  const refused = facts.unknowns.length > 0;
  const changed = masks.anyMasked && plans.some((each) => each.findings.changed);
  const edits = plans.flatMap((each) => each.walker.edits);
  const written = changed && !refused ? writeTree(parsed.tree, text, edits, standIns, parser) : text;
  const forward = refused ? null : written;
  const statements = plans.map((each) => plannedStatement(each, facts, context));
  if (refused || forward !== null) return { facts, forward, statements, ...tokensOf(plans), ...subjectConstantsOf(plans) };
  return { facts: { ...facts, unknowns: [ROUND_TRIP] }, forward: null, statements };
}

function subjectConstantsOf(plans: readonly StatementPlan[]): Pick<Plan, 'subjectConstants'> {
  const subjectConstants = plans.flatMap((each) => (each.verb === 'PREPARE' ? [] : each.subjects.constants));
  return subjectConstants.length === 0 ? {} : { subjectConstants };
}

/** What the text asks of its parameters. Those of a PREPARE are for EXECUTE to give. */
function tokensOf(plans: readonly StatementPlan[]): Pick<Plan, 'tokens'> {
  const asked = plans.flatMap((each) => (each.verb === 'PREPARE' ? [] : (each.planTokens ?? [])));
  if (asked.length === 0) return {};
  return {
    tokens: { parameters: asked.flatMap(({ parameters }) => parameters), refusesOthers: asked.some(({ refusesOthers }) => refusesOthers) },
  };
}

/** What statements of one text find: a name that an earlier one of them makes or drops means something else by then. */
class ObjectsInText implements SessionObjects {
  readonly #known: SessionObjects;
  /** Names that an earlier statement touched; `null` among them = all. */
  readonly #touched = { prepared: new Set<string | null>(), cursor: new Set<string | null>() };
  #next: readonly (readonly ['prepared' | 'cursor', string | null])[] = [];

  constructor(known: SessionObjects) {
    this.#known = known;
  }

  before(statement: Node): void {
    for (const [kind, name] of this.#next) this.#touched[kind].add(name);
    this.#next = touchedBy(statement);
  }

  prepared(name: string): Facts | undefined {
    return this.#isTouched('prepared', name) ? undefined : this.#known.prepared(name);
  }

  cursor(name: string): Facts | undefined {
    return this.#isTouched('cursor', name) ? undefined : this.#known.cursor(name);
  }

  tokens(name: string): PlanTokens | undefined {
    return this.#isTouched('prepared', name) ? undefined : this.#known.tokens(name);
  }

  temporary(name: string): Relation | undefined {
    return this.#known.temporary(name);
  }

  #isTouched(kind: 'prepared' | 'cursor', name: string): boolean {
    return this.#touched[kind].has(name) || this.#touched[kind].has(null);
  }
}

function touchedBy(statement: Node): (readonly ['prepared' | 'cursor', string | null])[] {
  const [type, body] = tagged(statement);
  const named = (field: string): string | null => (typeof body[field] === 'string' ? body[field] : null);
  if (type === 'PrepareStmt' || type === 'DeallocateStmt') return [['prepared', named('name')]];
  if (type === 'DeclareCursorStmt' || type === 'ClosePortalStmt') return [['cursor', named('portalname')]];
  if (type === 'DiscardStmt')
    return [
      ['prepared', null],
      ['cursor', null],
    ];
  return [];
}

/** An implicit cast to unvetted code may hide in any expression: then nothing is understood. */
function withCatalogueFaults(facts: Facts, context: PlanContext, masks: MaskBook): Facts {
  const { implicitCastFunctions } = context.protection.catalogue;
  const unsafe = implicitCastFunctions.find((signature) => !context.safeFunctions.has(signature));
  if (unsafe === undefined || !masks.anyMasked) return facts;
  const remedy = 'Ask the operator to vouch for the function of this implicit cast in policy, or to drop the cast.';
  return { ...facts, unknowns: [...facts.unknowns, { code: 'catalogue', what: unsafe, remedy }] };
}

const ROUND_TRIP: Unknown = {
  code: 'round-trip',
  what: 'the rewritten statement',
  remedy: 'Write the statement without rare clauses such as WITH TIES or GROUP BY DISTINCT.',
};

function planOne(node: Node, context: PlanContext, masks: MaskBook, standIns: StandIns, system: readonly string[]): StatementPlan {
  const planned = new StatementPlan(node, context, masks, standIns, system);
  planned.run();
  return planned;
}

/** System columns the text mentions, when it has no `*` that would show them unasked. */
function systemColumns(text: string, tree: ParseResult): string[] {
  if (!/\b(ctid|tableoid|[xc]m(in|ax))\b/i.test(text)) return [];
  const found = new Set<string>();
  return collectSystemColumns(tree, found) ? [...found].sort() : [];
}

function collectSystemColumns(value: unknown, found: Set<string>): boolean {
  if (Array.isArray(value)) return value.every((item) => collectSystemColumns(item, found));
  if (value === null || typeof value !== 'object') return true;
  const body = value as Body;
  if (body['A_Star'] !== undefined || body['isNatural'] === true) return false;
  const reference = body['ColumnRef'] as Body | undefined;
  if (reference !== undefined) {
    const last = (reference['fields'] as Body[]).at(-1);
    if (last?.['A_Star'] !== undefined) return false;
    const name = (last?.['String'] as Body | undefined)?.['sval'];
    if (typeof name === 'string' && SYSTEM_COLUMNS.has(name)) found.add(name);
    return true;
  }
  return Object.values(body).every((item) => collectSystemColumns(item, found));
}

function plannedStatement(each: StatementPlan, facts: Facts, context: PlanContext): PlannedStatement {
  return {
    verb: each.verb,
    messages: each.messages,
    changes: [...each.changes, ...objectChanges(each, facts, context)],
    outputs: each.verb === 'PREPARE' || each.verb === 'DECLARE CURSOR' ? [] : each.outputs,
    transaction: each.transaction,
    copy: each.copy,
    ...(each.refusesTokens ? { refusesTokens: true } : {}),
    ...noticeOf(each, context),
    ...subjectOutputsOf(each),
  };
}

function subjectOutputsOf({ verb, subjects, copyForm }: StatementPlan): Pick<PlannedStatement, 'subjectOutputs' | 'copyForm'> {
  if (verb === 'PREPARE' || verb === 'DECLARE CURSOR' || verb === 'EXPLAIN') return {};
  const subjectOutputs = subjects.uses.flatMap(({ subject, outputs }) => outputs.map((output) => ({ subject, ...output })));
  if (subjectOutputs.length === 0) return {};
  return copyForm === null ? { subjectOutputs } : { subjectOutputs, copyForm };
}

/** Says that a condition found nothing because it saw masks. Names only; at most one for a statement. */
function noticeOf(each: StatementPlan, { protection }: PlanContext): { readonly notice?: string } {
  if (each.lenient || each.verb === 'PREPARE' || each.verb === 'EXPLAIN') return {};
  const { comparedByToken } = each.findings;
  const columns = each.lineages
    .flatMap((found) => found.predicates)
    .filter((name) => each.masks.maskedColumns.has(name) && !comparedByToken.has(name));
  const mayBeLookups = each.findings.lookups > 0;
  const names = columns.flatMap((qualified) => {
    const classes = protection.columns.get(qualified) ?? [];
    const relation = protection.catalogue.relations.find(
      (one) => qualified.startsWith(`${one.qualified}.`) && one.byName.has(qualified.slice(one.qualified.length + 1)),
    );
    const column = relation === undefined ? '' : qualified.slice(relation.qualified.length + 1);
    if (relation === undefined || classes.length === 0 || (mayBeLookups && protection.allowsLookup(relation.oid, column))) return [];
    return [column];
  });
  const [first, ...more] = sorted(names);
  if (first === undefined) return {};
  return {
    notice:
      more.length === 0
        ? `sallyport: column ${first} is masked; the predicate saw the mask`
        : `sallyport: columns ${[first, ...more].join(', ')} are masked; predicates saw the masks`,
  };
}

/** PREPARE and DECLARE keep the facts of their query for EXECUTE and FETCH. */
function objectChanges(each: StatementPlan, facts: Facts, context: PlanContext): SessionChange[] {
  const [type, body] = tagged(each.node);
  if (type !== 'PrepareStmt' && type !== 'DeclareCursorStmt') return [];
  const planned = factsWithoutText([each], context);
  const own: Facts = {
    ...planned,
    // PREPARE reads nothing, its query does.
    unbounded: isOpen(each, context),
    lineage: { shown: [], tested: [], ...planned.lineage, open: openRelations(each) },
    normalised: facts.normalised,
    fingerprint: facts.fingerprint,
    outputs: each.outputs,
    outputClasses: classUnion(each.outputs),
    ...(context.subjects === undefined
      ? {}
      : { subjects: keptSubjects(each.subjects, type === 'PrepareStmt' ? ((body['argtypes'] ?? []) as Node[]) : null) }),
  };
  if (type === 'PrepareStmt') {
    const tokens = each.planTokens;
    return [{ kind: 'prepare', name: String(body['name']), facts: own, ...(tokens === null ? {} : { tokens }) }];
  }
  return [{ kind: 'declare', name: String(body['portalname']), facts: own, hold: isHeld(body) }];
}

function factsOf(text: string, plans: readonly StatementPlan[], context: PlanContext, parser: Parser): Facts {
  return {
    ...factsWithoutText(plans, context),
    normalised: redact(text, parser, (name) => context.protection.catalogue.knowsIdentifier(name)),
    fingerprint: parser.fingerprint(text),
  };
}

type AnalysedFacts = Omit<Facts, 'normalised' | 'fingerprint'>;

function factsWithoutText(plans: readonly StatementPlan[], context: PlanContext): AnalysedFacts {
  const columns = sorted(plans.flatMap((each) => [...each.lineages.flatMap((found) => found.columns), ...(each.inherited?.columns ?? [])]));
  const predicates = plans.flatMap((each) => each.lineages.flatMap((found) => found.predicates));
  const classesOf = (names: readonly string[]): string[] => names.flatMap((name) => [...(context.protection.columns.get(name) ?? [])]);
  const outputs = plans.findLast((each) => each.outputs.length > 0)?.outputs ?? [];
  const effects = new Set(plans.flatMap((each) => each.findings.effects));
  const uses = new Map(plans.flatMap((each) => each.findings.relations).map((use) => [`${use.name} ${use.access}`, use]));
  return {
    verbs: plans.map((each) => each.verb),
    statements: plans.length,
    effects: EFFECTS.filter((effect) => effects.has(effect)),
    relations: [...uses.values()].sort((a, b) => compare(a.name, b.name) || compare(a.access, b.access)),
    columns,
    classes: sorted([...classesOf(columns), ...plans.flatMap((each) => each.inherited?.classes ?? [])]),
    outputs,
    outputClasses: sorted(plans.flatMap((each) => classUnion(each.outputs))),
    predicateClasses: sorted([...classesOf(predicates), ...plans.flatMap((each) => each.inherited?.predicateClasses ?? [])]),
    lineage: lineageOf(plans, predicates),
    unbounded: plans.some((each) => isUnbounded(each, context)),
    limit: plans.at(-1)?.limit ?? null,
    unknowns: plans.flatMap((each) => each.findings.unknowns),
    ...subjectsOf(plans, context),
  };
}

/** PREPARE touches nobody's data, its EXECUTE does. */
function subjectsOf(plans: readonly StatementPlan[], { subjects }: PlanContext): Pick<Facts, 'subjects'> {
  if (subjects === undefined) return {};
  const uses = plans.flatMap((each) => (each.verb === 'PREPARE' ? [] : each.subjects.uses));
  const names = sorted(uses.map(({ subject }) => subject));
  return names.length === 0
    ? {}
    : {
        subjects: names.map((name) =>
          joined(
            name,
            uses.filter(({ subject }) => subject === name),
          ),
        ),
      };
}

function lineageOf(plans: readonly StatementPlan[], predicates: readonly string[]): NonNullable<Facts['lineage']> {
  const inherited = plans.flatMap((each) => each.inherited?.lineage ?? []);
  return {
    shown: sorted(plans.flatMap((each) => each.outputs.flatMap((output) => output.sources))),
    tested: sorted([...predicates, ...inherited.flatMap(({ tested }) => tested)]),
    open: sorted(plans.flatMap((each) => (each.verb === 'PREPARE' ? [] : openRelations(each)))),
  };
}

/** Read without a bound, protected or not. */
function openRelations(each: StatementPlan): readonly string[] {
  if (each.bounded) return [];
  return [...each.lineages.flatMap((found) => found.unboundedRelations), ...(each.inherited?.lineage?.open ?? [])];
}

/** Reads a relation that has a protected class without a bound. */
function isUnbounded(each: StatementPlan, context: PlanContext): boolean {
  return each.verb !== 'PREPARE' && isOpen(each, context);
}

function isOpen(each: StatementPlan, context: PlanContext): boolean {
  if (each.bounded) return false;
  if (each.inherited?.unbounded === true) return true;
  const open = new Set(openRelations(each));
  if (open.size === 0) return false;
  const { protection } = context;
  return protection.catalogue.relations.some((relation) => open.has(relation.qualified) && protection.isProtected(relation.oid));
}

function classUnion(outputs: Facts['outputs']): string[] {
  return sorted(outputs.flatMap((output) => output.classes));
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort(compare);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type Fault = Extract<ReturnType<Parser['parse']>, { ok: false }>['fault'];

/** Why the parser did not take a text: what is told, and recorded. */
const FAULTS: Readonly<Record<Fault, Unknown>> = {
  syntax: { code: 'syntax', what: 'syntax error', remedy: 'Correct the statement; it is not PostgreSQL syntax.' },
  encoding: { code: 'syntax', what: 'text that is not UTF-8, or has a NUL', remedy: 'Send valid UTF-8 text without NUL bytes.' },
  'too-large': {
    code: 'too-large',
    what: `a statement over ${MAX_TEXT_BYTES / 1024} KiB or ${MAX_TOKENS} words`,
    remedy: 'Send it in several statements, or its values as parameters or by COPY.',
  },
  'too-many-parameters': {
    code: 'too-large',
    what: `a statement with over ${MAX_PARAMETERS} parameters`,
    remedy: 'Send it in several statements, or its values as an array or by COPY.',
  },
  'too-deep': {
    code: 'too-deep',
    what: `a statement nested over ${MAX_DEPTH} levels deep`,
    remedy: 'Use fewer brackets, operators in a row and sub-selects: = ANY (array) for a list, for example.',
  },
  internal: { code: 'too-deep', what: 'a statement too complex for the parser', remedy: 'Simplify the statement, or send it in parts.' },
};

function refusedText(text: string, context: PlanContext, parser: Parser, { fault, at }: { fault: Fault; at: number }): Plan {
  const unknown = { ...FAULTS[fault], ...(at < 0 ? {} : { at: at + 1 }) };
  return { facts: { ...factsOf(text, [], context, parser), unknowns: [unknown] }, forward: null, statements: [] };
}
