// Queries, writes, and the statements that wrap them: PREPARE, EXECUTE, DECLARE, FETCH, EXPLAIN.

import type { Facts } from '../core/facts.ts';
import { selectInto } from './statements-ddl.ts';
import type { StatementPlan } from './statements-plan.ts';
import { tagged } from './statements-plan.ts';
import type { Node } from './parser.ts';
import type { Body } from './rewrite.ts';
import { passSubjects } from './subject-uses.ts';
import {
  arrayValue,
  checkToken,
  constantText,
  holdsToken,
  type PlanTokens,
  setConstantText,
  strayToken,
  textValue,
  type TokenPlace,
} from './token-values.ts';
import { newFrame } from './walk-scope.ts';

const QUERIES = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** SELECT, VALUES, TABLE, SELECT INTO. */
export function query(plan: StatementPlan, body: Body): void {
  if (body['intoClause'] !== undefined) selectInto(plan, body);
  else analysed(plan);
}

export function analysed(plan: StatementPlan): void {
  plan.node = inner(plan, plan.node);
}

/** Plans the query inside another statement. @returns the node to put in its place. */
export function inner(plan: StatementPlan, node: Node): Node {
  const [type] = tagged(node);
  if (!QUERIES.has(type)) {
    plan.refuse('statement-kind', type, 'Use a SELECT, INSERT, UPDATE or DELETE here.');
    return node;
  }
  if (type === 'SelectStmt') plan.findings.effect('read');
  const walked = plan.analyse(node);
  const found = plan.lineages.at(-1);
  if (found !== undefined) plan.outputs = plan.classified(found);
  return walked;
}

export function prepare(plan: StatementPlan, body: Body): void {
  const frame = newFrame(null);
  plan.walker.list(body['argtypes'], frame);
  body['query'] = inner(plan, body['query'] as Node);
}

export function execute(plan: StatementPlan, body: Body): void {
  const name = String(body['name']);
  const uses = plan.context.objects.prepared(name)?.subjects;
  if (uses !== undefined) plan.passedSubjects = passSubjects(uses, (body['params'] ?? []) as Node[]);
  plan.walker.list(body['params'], newFrame(null));
  const prepared = plan.context.objects.prepared(name);
  if (prepared === undefined) {
    plan.refuse(
      'session-object',
      'prepared statement',
      'PREPARE it in this session first; DEALLOCATE it before when the schema has changed since.',
    );
    return;
  }
  passTokens(plan, body, plan.context.objects.tokens(name));
  inherit(plan, prepared);
}

/** The arguments of EXECUTE, where the statement takes tokens: constants are checked here, parameters when they are bound. */
function passTokens(plan: StatementPlan, body: Body, wanted: PlanTokens | undefined): void {
  const { walker, findings } = plan;
  if (wanted === undefined || walker.tokens === null) return;
  const args = (body['params'] ?? []) as Body[];
  for (const { number, ...place } of wanted.parameters) {
    const elements = place.isArray === true ? listedElements(args[number - 1]) : null;
    if (elements === null) passToken(plan, args[number - 1], place);
    else for (const element of elements) passToken(plan, element, { ...place, isArray: false });
  }
  if (!wanted.refusesOthers) return;
  findings.refusesOtherTokens = true;
  const noted = new Set(wanted.parameters.map(({ number }) => number));
  const others = args.filter((_, index) => !noted.has(index + 1));
  if (holdsToken(others, walker.tokens, () => false)) findings.refuse(strayToken(''));
}

/** `ARRAY[...]`, possibly cast. */
function listedElements(node: Body | undefined): readonly unknown[] | null {
  const inner = ((node?.['TypeCast'] as Body | undefined)?.['arg'] as Body | undefined) ?? node;
  const elements = (inner?.['A_ArrayExpr'] as Body | undefined)?.['elements'];
  return Array.isArray(elements) ? elements : null;
}

function passToken(plan: StatementPlan, node: unknown, place: TokenPlace): void {
  const { walker, findings } = plan;
  const value = textValue(node) ?? arrayValue(node);
  const text = value?.constant === null || value === null ? null : constantText(value.constant);
  if (value === null || walker.tokens === null) {
    plan.refuse('token', 'an expression where a token may stand', 'EXECUTE with plain constants or parameters here.');
  } else if (value.constant === null) {
    walker.noteParameter(value, place);
  } else if (text !== null) {
    const checked = checkToken(text, place, walker.tokens);
    if ('refused' in checked) findings.refuse(checked.refused);
    else if (checked.text !== text) {
      setConstantText(value.constant, checked.text);
      findings.changed = true;
    }
  }
}

/** Runs what was planned before: its facts are this statement's facts. */
function inherit(plan: StatementPlan, facts: Facts): void {
  plan.inherited = facts;
  plan.outputs = facts.outputs;
  plan.limit = facts.limit;
  plan.findings.effect(...facts.effects);
  const { catalogue } = plan.context.protection;
  for (const { name, access } of facts.relations) {
    plan.findings.use(name, access);
    if (access === 'write') plan.findings.writes = true;
    const relation = catalogue.relations.find((each) => each.qualified === name);
    if (relation === undefined) continue;
    const { protection } = plan.context;
    // Which of its predicates were look-ups is not in the facts.
    if (relation.columns.some((column) => protection.allowsLookup(relation.oid, column.name))) plan.findings.lookups += 1;
    const opaque = access === 'write' && (protection.isOpaqueOnWrite(relation.oid) || plan.masks.masked(relation) !== null);
    const foreign = relation.kind === 'foreign' && protection.isProtected(relation.oid);
    if (foreign || protection.touchesProtected(relation.oid) || protection.hasTellingPartitions(relation.oid))
      plan.findings.tellingPlan = true;
    if (opaque || foreign || protection.touchesProtected(relation.oid)) plan.findings.sensitive = true;
  }
}

export function deallocate(plan: StatementPlan, body: Body): void {
  plan.changes.push({ kind: 'deallocate', name: body['name'] === undefined ? null : String(body['name']) });
}

const CURSOR_OPTION_HOLD = 0x0020;

export function declare(plan: StatementPlan, body: Body): void {
  body['query'] = inner(plan, body['query'] as Node);
}

export function isHeld(body: Body): boolean {
  return (Number(body['options'] ?? 0) & CURSOR_OPTION_HOLD) !== 0;
}

export function fetch(plan: StatementPlan, body: Body): void {
  const cursor = plan.context.objects.cursor(String(body['portalname']));
  const moves = body['ismove'] === true;
  if (moves) plan.verb = 'MOVE';
  if (cursor === undefined) {
    plan.refuse('session-object', 'cursor', 'DECLARE the cursor in this session first.');
    return;
  }
  inherit(plan, cursor);
  // By which values DECLARE asked is in its own record.
  plan.passedSubjects = { uses: (cursor.subjects ?? []).map((use) => ({ ...use, parameters: [] })), constants: [] };
  // DECLARE was decided with the whole query; a FETCH is a part of it.
  plan.bounded = true;
  if (moves) plan.outputs = [];
}

export function close(plan: StatementPlan, body: Body): void {
  plan.changes.push({ kind: 'close', name: body['portalname'] === undefined ? null : String(body['portalname']) });
}

const EXPLAIN_OPTIONS = new Set([
  'analyze',
  'verbose',
  'costs',
  'settings',
  'generic_plan',
  'buffers',
  'serialize',
  'wal',
  'timing',
  'summary',
  'memory',
  'format',
]);

export function explain(plan: StatementPlan, body: Body): void {
  const options = ((body['options'] ?? []) as Body[]).map((option) => (option['DefElem'] ?? {}) as Body);
  for (const option of options) {
    if (!EXPLAIN_OPTIONS.has(String(option['defname']))) plan.walker.refuseNode('ExplainStmt.options');
  }
  const analyze = options.some((option) => option['defname'] === 'analyze' && isOn(option['arg']));
  const node = body['query'] as Node;
  const [type, fields] = tagged(node);
  if (type === 'ExecuteStmt') execute(plan, fields);
  else if (type === 'DeclareCursorStmt') declare(plan, fields);
  else if (type === 'CreateTableAsStmt' && !analyze) fields['query'] = inner(plan, fields['query'] as Node);
  else body['query'] = inner(plan, node);
  if (analyze && plan.findings.effects.some((effect) => effect !== 'read')) {
    if (!plan.lenient) plan.refuse('statement-kind', 'EXPLAIN ANALYZE of a write', 'Use EXPLAIN without ANALYZE.');
  }
  if (analyze && plan.findings.lookups > 0 && !plan.lenient) {
    plan.refuse('statement-kind', 'EXPLAIN ANALYZE of a look-up', 'Use EXPLAIN without ANALYZE.');
  }
  if (plan.findings.tellingPlan && !plan.lenient) {
    plan.refuse('statement-kind', 'EXPLAIN over a view or partitions that protected columns decide', 'Explain the query over tables.');
  }
  if (showsEstimates(plan)) {
    const others = options.filter((option) => option['defname'] !== 'costs').map((option) => ({ DefElem: option }));
    body['options'] = [...others, { DefElem: { defname: 'costs', arg: { String: { sval: 'off' } }, defaction: 'DEFELEM_UNSPEC' } }];
    plan.findings.changed = true;
  }
  plan.bounded = !analyze;
  plan.outputs = [{ name: 'QUERY PLAN', sources: [], classes: [] }];
}

/** The planner looks through a mask that keeps something of the value: it estimates groups by the number of true values. */
function showsEstimates(plan: StatementPlan): boolean {
  if (plan.lenient) return false;
  const columns = [...plan.lineages.flatMap((found) => found.columns), ...(plan.inherited?.columns ?? [])];
  return columns.some((column) => plan.masks.keepingColumns.has(column));
}

/** Value of a boolean option: absent means on. */
export function isOn(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const body = value as Body;
  const text = (body['String'] as Body | undefined)?.['sval'];
  const flag = (body['Boolean'] as Body | undefined)?.['boolval'];
  const number = (body['Integer'] as Body | undefined)?.['ival'] ?? (body['Integer'] === undefined ? undefined : 0);
  if (typeof text === 'string') return !['off', 'false', '0', 'no'].includes(text.toLowerCase());
  if (body['Boolean'] !== undefined) return flag === true;
  return number !== 0;
}
