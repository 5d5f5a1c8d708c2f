// SHOW, DESCRIBE and EXPLAIN: what Snowflake tells of objects and plans.

import { maskOfClass } from '../../core/decision.ts';
import { kindRefused, part, type Part, refused } from './part.ts';
import { classesOf } from './names.ts';
import { findRelation, qualifiedName } from './relations.ts';
import { type Planning } from './planning.ts';
import { Reader, type StatementText } from './statement-text.ts';
import { stringValue } from './lexer.ts';

/** What may be listed: names, types, owners, sizes. Not what has texts of definitions or statements in it (VIEWS but for TERSE, TASKS,
 *  PIPES, DYNAMIC TABLES), and not USERS, whose addresses are people's. */
const SHOWN: readonly (readonly string[])[] = [
  ['DATABASES'],
  ['SCHEMAS'],
  ['TABLES'],
  ['OBJECTS'],
  ['COLUMNS'],
  ['PRIMARY', 'KEYS'],
  ['UNIQUE', 'KEYS'],
  ['IMPORTED', 'KEYS'],
  ['EXPORTED', 'KEYS'],
  ['SEQUENCES'],
  ['WAREHOUSES'],
  ['ROLES'],
  ['GRANTS'],
  ['PARAMETERS'],
  ['VARIABLES'],
  ['FUNCTIONS'],
  ['USER', 'FUNCTIONS'],
  ['BUILTIN', 'FUNCTIONS'],
  ['PROCEDURES'],
  ['FILE', 'FORMATS'],
  ['TRANSACTIONS'],
  ['REGIONS'],
];

/** SHOW [TERSE] kind [LIKE ...] [IN ...]: what follows the kind are words, names and constants. */
export function planShow(statement: StatementText): Part {
  const reader = new Reader(statement, 1);
  const isTerse = reader.take('TERSE');
  const kind = SHOWN.find((words) => reader.take(...words)) ?? (isTerse && reader.take('VIEWS') ? ['VIEWS'] : undefined);
  if (kind === undefined) {
    return kindRefused(
      'SHOW',
      'this kind of SHOW',
      'SHOW TABLES, COLUMNS, SCHEMAS, OBJECTS and the like are passed, and SHOW TERSE VIEWS; others embed texts of statements.',
    );
  }
  const isPlain = reader.rest().every((word) => /^(?:[A-Z_][A-Z0-9_$]*|\.|<(?:quoted|string|number)>)$/.test(word));
  if (!isPlain) return kindRefused('SHOW', 'this form of SHOW', 'Write SHOW kind LIKE pattern IN name.');
  return part(`SHOW ${kind.join(' ')}`, { effects: ['read'] });
}

const DESCRIBED: ReadonlySet<string> = new Set(['TABLE', 'VIEW']);
const PLACES: ReadonlySet<string> = new Set(['SCHEMA', 'DATABASE', 'WAREHOUSE', 'SEQUENCE']);

/** DESCRIBE TABLE | VIEW name, DESCRIBE SCHEMA ..., DESCRIBE RESULT id. */
export function planDescribe(statement: StatementText, { context }: Planning): Part {
  const reader = new Reader(statement, 1);
  if (reader.take('RESULT')) return planDescribeResult(reader, statement, context.session);
  const kind =
    reader.takeOneOf(DESCRIBED) ??
    reader.takeOneOf(PLACES) ??
    (reader.token?.kind === 'word' || reader.token?.kind === 'quoted' ? 'TABLE' : null);
  const name = kind === null ? null : reader.name();
  if (kind === null || name === null || (!reader.isAtEnd && !(reader.take('TYPE', '=', 'COLUMNS') && reader.isAtEnd))) {
    return kindRefused('DESCRIBE', 'this kind of DESCRIBE', 'DESCRIBE TABLE, VIEW, SCHEMA, DATABASE and RESULT are passed.');
  }
  const verb = `DESCRIBE ${kind}`;
  if (PLACES.has(kind)) return part(verb, { effects: ['read'] });
  const relation = findRelation(name, context);
  if (relation === undefined) {
    return refused(verb, {
      code: 'relation',
      what: 'a relation that is not there',
      remedy: 'Use a name that is there, with database and schema.',
    });
  }
  return part(verb, {
    effects: ['read'],
    relations: [{ name: qualifiedName(relation), access: 'read' }],
    classes: classesOf(relation, context),
  });
}

function planDescribeResult(reader: Reader, statement: StatementText, session: Planning['context']['session']): Part {
  const string = reader.takeKind('string');
  const id = string !== null ? stringValue(statement.source, string) : reader.take('LAST_QUERY_ID', '(', ')') ? session.lastQueryId : null;
  const result = id === null || !reader.isAtEnd ? undefined : session.result(id);
  const from = statement.tokens[2];
  const to = statement.tokens.at(-1);
  if (result === undefined || from === undefined || to === undefined) {
    return refused('DESCRIBE RESULT', { code: 'relation', what: 'a result', remedy: 'Describe results of this session by their ids.' });
  }
  return part('DESCRIBE RESULT', { effects: ['read'], edits: [{ start: from.start, end: to.end, text: `'${result.queryId}'` }] });
}

const FORMATS: ReadonlySet<string> = new Set(['TEXT', 'JSON', 'TABULAR']);

/** Where the statement of EXPLAIN begins, by index of token; null = not one of its forms. */
export function explained(statement: StatementText): number | null {
  const reader = new Reader(statement, 1);
  return reader.take('USING') && reader.takeOneOf(FORMATS) === null ? null : reader.at;
}

/** A plan tells how many partitions a test leaves over: nothing, as long as no protected value is tested. */
export function planExplain(inner: Part, { context }: Planning): Part {
  const hidden = inner.predicateClasses.filter((each) => maskOfClass(each, context.masks) !== 'clear');
  if (hidden.length > 0 && inner.unknowns.length === 0) {
    return refused('EXPLAIN', {
      code: 'protected-use',
      what: 'EXPLAIN of a statement that tests a protected column',
      remedy: 'Explain it without the test of the protected column: the plan tells how much the test leaves over.',
    });
  }
  if (inner.edits.length > 0 || inner.bindEdits.size > 0) {
    return refused('EXPLAIN', {
      code: 'token',
      what: 'EXPLAIN of a statement with tokens',
      remedy: 'Explain it with another constant: the plan would show the value.',
    });
  }
  // Nothing is run: it has no effect but that of reading.
  const isOpen = { unbounded: false, open: [], limit: null, changes: [], shown: [] };
  return { ...inner, ...isOpen, verb: `EXPLAIN ${inner.verb}`, effects: ['read'], outputs: null };
}
