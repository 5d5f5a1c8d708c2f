// COPY. A table copied out becomes a query over its stand-in; COPY FROM STDIN follows the rules of INSERT.
// REFUSES: files, programs, unknown options.

import type { Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import { inner } from './statements-query.ts';
import type { StatementPlan } from './statements-plan.ts';
import type { Node } from './parser.ts';
import type { Body } from './rewrite.ts';
import { copyTokens } from './token-writes.ts';
import { newFrame } from './walk-scope.ts';
import { readable, pin } from './walk-query.ts';
import { hiddenNames, writeTarget, writtenColumns } from './walk-write.ts';

const OPTIONS = new Set([
  'format',
  'delimiter',
  'null',
  'default',
  'header',
  'quote',
  'escape',
  'force_quote',
  'force_not_null',
  'force_null',
  'encoding',
  'freeze',
  'on_error',
  'log_verbosity',
  'reject_limit',
]);

export function copyStatement(plan: StatementPlan, body: Body): void {
  const incoming = body['is_from'] === true;
  plan.findings.effect(incoming ? 'copy-in' : 'copy-out');
  if (body['filename'] !== undefined || body['is_program'] === true) {
    plan.findings.effect('admin');
    if (!plan.lenient) plan.refuse('statement-kind', 'COPY of a server file', 'Use STDIN or STDOUT.');
  } else {
    plan.copy = incoming ? 'in' : 'out';
  }
  checkOptions(plan, body);
  if (incoming) copyIn(plan, body);
  else if (body['query'] !== undefined) body['query'] = inner(plan, body['query'] as Node);
  else copyTable(plan, body);
}

function checkOptions(plan: StatementPlan, body: Body): void {
  for (const each of (body['options'] ?? []) as Body[]) {
    const option = each['DefElem'] as Body | undefined;
    const name = String(option?.['defname']);
    if (!OPTIONS.has(name)) plan.walker.refuseNode('CopyStmt.options');
    // `CSV HEADER` of old says what `HEADER` alone says; the deparser knows only the latter.
    const flag = (option?.['arg'] as Body | undefined)?.['Boolean'] as Body | undefined;
    if (option !== undefined && flag?.['boolval'] === true) delete option['arg'];
    const encoding = ((option?.['arg'] as Body | undefined)?.['String'] as Body | undefined)?.['sval'];
    if (name === 'encoding' && !/^(utf-?8|unicode)$/i.test(String(encoding))) {
      plan.refuse('setting', 'COPY encoding', 'Use UTF8.');
    }
  }
}

function copyTable(plan: StatementPlan, body: Body): void {
  plan.findings.effect('read');
  const range = body['relation'] as Body;
  plan.walker.known('RangeVar', range);
  const place = readable(plan.walker, range);
  if (place === null) return;
  const columns = nameList(body['attlist']) ?? stored(place.relation);
  // COPY of a table copies the table alone, without its children.
  const select: unknown = {
    SelectStmt: {
      targetList: columns.map((name) => ({ ResTarget: { val: { ColumnRef: { fields: [{ String: { sval: name } }] } } } })),
      fromClause: [{ RangeVar: { ...range, inh: place.relation.kind === 'partitioned' } }],
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  };
  const rewritten = inner(plan, select as Node);
  if (!place.temporary && plan.masks.masked(place.relation) !== null) {
    body['query'] = rewritten;
    delete body['relation'];
    delete body['attlist'];
  } else {
    pin(plan.walker, range, place);
  }
}

/** Columns COPY transfers when none are named. */
function stored(relation: Relation): string[] {
  return relation.columns.filter((column) => column.generated === null).map((column) => column.name);
}

function copyIn(plan: StatementPlan, body: Body): void {
  const { walker, findings } = plan;
  findings.effect('write');
  findings.writes = true;
  const range = body['relation'] as Body;
  const relation = writeTarget(walker, range);
  const masked = relation === null ? null : plan.masks.masked(relation);
  const target =
    masked === null
      ? null
      : {
          relation: masked.relation,
          masked: hiddenNames(walker, masked),
          name: masked.relation.name,
          only: false,
          names: new Set([masked.relation.name]),
        };
  walker.child(body, 'whereClause', newFrame(null, target));
  if (relation === null) return;
  const columns = nameList(body['attlist']) ?? stored(relation);
  writtenColumns(walker, relation, columns, 'insert');
  plan.refusesTokens = walker.tokens !== null && copyTokens(walker, relation, columns);
}
