// Definitions: CREATE, ALTER, DROP, UNDROP, TRUNCATE, COMMENT, GRANT. What copies data or makes columns from others is walked; of the
// rest only forms that move nothing protected to another name are passed.

import { maskOfClass } from '../../core/decision.ts';
import type { Unknown } from '../../core/facts.ts';
import { addedColumns } from './column-definitions.ts';
import { classesOf, isPlain } from './names.ts';
import { kindRefused, part, type Part, refused } from './part.ts';
import { type Planning, planTree } from './planning.ts';
import { classesNamed, comparableClass, plainValues } from './patterns.ts';
import { findRelation, qualifiedName, qualify } from './relations.ts';
import type { Token } from './lexer.ts';
import { Reader, type StatementText, wordAt, written } from './statement-text.ts';
import type { PlanContext, SessionChange, SnowflakeRelation } from './types.ts';

const FORMS = 'Use one of the forms in docs/protocols/snowflake.md.';
const CATALOGUE: SessionChange = { kind: 'catalogue' };

const NO_RELATION: Unknown = {
  code: 'relation',
  what: 'a relation that is not there',
  remedy: 'Use a name that is there, with database and schema.',
};
const NO_PLACE: Unknown = {
  code: 'relation',
  what: 'a name without database and schema',
  remedy: 'Write DATABASE.SCHEMA.NAME, or send USE SCHEMA first.',
};

/** Words between CREATE and the kind that change nothing about what is read. */
const MODIFIERS: ReadonlySet<string> = new Set([
  'LOCAL',
  'GLOBAL',
  'TEMP',
  'TEMPORARY',
  'VOLATILE',
  'TRANSIENT',
  'SECURE',
  'RECURSIVE',
  'MATERIALIZED',
]);
const TEMPORARY: ReadonlySet<string> = new Set(['TEMP', 'TEMPORARY', 'VOLATILE']);

export function planCreate(statement: StatementText, planning: Planning): Part {
  const reader = new Reader(statement, 1);
  reader.take('OR', 'REPLACE');
  let isTemporary = false;
  for (let word = reader.takeOneOf(MODIFIERS); word !== null; word = reader.takeOneOf(MODIFIERS)) isTemporary ||= TEMPORARY.has(word);
  if (reader.take('SCHEMA')) return planCreatePlace('CREATE SCHEMA', reader);
  if (reader.take('DATABASE')) return planCreatePlace('CREATE DATABASE', reader);
  if (reader.take('SEQUENCE')) return planCreatePlace('CREATE SEQUENCE', reader);
  if (reader.take('VIEW')) {
    const lasting = statement.tokens.find((token, index) => isOfSession(statement, token, index));
    if (lasting !== undefined) return refused('CREATE VIEW', OF_SESSION, lasting);
    const planned = planTree('CREATE VIEW', statement, planning);
    return isTemporary ? temporary(planned, planning) : planned;
  }
  if (reader.take('TABLE')) return planCreateTable(statement, isTemporary, planning);
  return kindRefused('CREATE', 'this kind of CREATE', 'Tables, views, schemas, databases and sequences may be created.');
}

/** The text of a view is kept: what is set when it is read is another thing than what is set now. */
const OF_SESSION: Unknown = {
  code: 'session-object',
  what: 'a session variable or result in a view',
  remedy: 'Write names and constants into the view.',
};

function isOfSession(statement: StatementText, token: Token, index: number): boolean {
  const isVariable = token.kind === 'variable' && !/^\$\d+$/.test(written(statement, token));
  return isVariable || ['RESULT_SCAN', 'LAST_QUERY_ID', 'IDENTIFIER'].includes(wordAt(statement, index));
}

function planCreateTable(statement: StatementText, isTemporary: boolean, planning: Planning): Part {
  const clone = statement.tokens.findIndex((_, index) => wordAt(statement, index) === 'CLONE');
  const isOld = clone >= 0 && statement.tokens.some((_, index) => index > clone && ['AT', 'BEFORE'].includes(wordAt(statement, index)));
  // It would bring back columns that nobody knows of any more.
  if (isOld) return kindRefused('CREATE TABLE', 'CLONE of another time', 'Clone the table as it is now.');
  const planned = planTree('CREATE TABLE', statement, planning);
  return isTemporary ? temporary(planned, planning) : planned;
}

/** A temporary relation stands before every other of its name: there may be none, and it must be known to be the one that was made. */
function temporary(planned: Part, { context }: Planning): Part {
  const made = planned.relations.find(({ access }) => access === 'write')?.name ?? '';
  const { catalogue, session } = context;
  const hides = session.own.get(made) === undefined && catalogue.relations.some((each) => qualifiedName(each) === made);
  const isSure = session.own.get(made) !== undefined || planned.changes.some(({ kind }) => kind === 'create');
  if (!hides && (isSure || planned.unknowns.length > 0)) return planned;
  return refused(planned.verb, {
    code: 'session-object',
    what: hides ? 'a temporary table with the name of another relation' : 'a temporary table that may be there already',
    remedy: hides ? 'Give it a name that is not taken.' : 'Write CREATE OR REPLACE TEMPORARY, or leave IF NOT EXISTS out.',
  });
}

/** CREATE SCHEMA | DATABASE | SEQUENCE name, with options that have constants. */
function planCreatePlace(verb: string, reader: Reader): Part {
  reader.take('IF', 'NOT', 'EXISTS');
  if (reader.name() === null) return kindRefused(verb, `this form of ${verb}`, FORMS);
  const allowed =
    /^(?:WITH|MANAGED|ACCESS|DATA_RETENTION_TIME_IN_DAYS|MAX_DATA_EXTENSION_TIME_IN_DAYS|COMMENT|START|INCREMENT|BY|ORDER|NOORDER|=|-|<string>|<number>)$/;
  if (!reader.rest().every((word) => allowed.test(word))) {
    return kindRefused(
      verb,
      `this form of ${verb}`,
      'Create it empty. Copies of schemas and databases are not passed: classes go by names.',
    );
  }
  return part(verb, { effects: ['ddl'], changes: [CATALOGUE] });
}

const RELATIONS: readonly (readonly string[])[] = [
  ['TABLE'],
  ['VIEW'],
  ['MATERIALIZED', 'VIEW'],
  ['DYNAMIC', 'TABLE'],
  ['EXTERNAL', 'TABLE'],
];
const PLACES: readonly (readonly string[])[] = [['SCHEMA'], ['DATABASE'], ['SEQUENCE']];

/** DROP kind [IF EXISTS] name [CASCADE | RESTRICT]. */
export function planDrop(statement: StatementText, { context }: Planning): Part {
  const reader = new Reader(statement, 1);
  const kind = RELATIONS.find((words) => reader.take(...words));
  const place = kind === undefined ? PLACES.find((words) => reader.take(...words)) : undefined;
  const verb = `DROP ${(kind ?? place ?? []).join(' ')}`.trim();
  if (kind === undefined && place === undefined)
    return kindRefused('DROP', 'this kind of DROP', 'Tables, views, schemas, databases and sequences may be dropped.');
  const mayMiss = reader.take('IF', 'EXISTS');
  const name = reader.name();
  if (!reader.take('CASCADE')) reader.take('RESTRICT');
  if (name === null || !reader.isAtEnd) return kindRefused(verb, `this form of ${verb}`, FORMS);
  if (kind === undefined) return part(verb, { effects: ['ddl'], relations: relationsIn(verb, name, context), changes: [CATALOGUE] });
  return onRelation(verb, name, context, mayMiss, (full) => ({ effects: ['ddl'], changes: [{ kind: 'drop', name: full }, CATALOGUE] }));
}

/** Relations that go with a schema or database. */
function relationsIn(verb: string, name: readonly string[], { catalogue, session }: PlanContext): Part['relations'] {
  const [first, second] = name;
  const isIn = (relation: SnowflakeRelation): boolean => {
    if (relation.kind === 'system') return false;
    if (verb === 'DROP DATABASE') return relation.database === first;
    if (verb !== 'DROP SCHEMA') return false;
    return second === undefined
      ? relation.database === session.database && relation.schema === first
      : relation.database === first && relation.schema === second;
  };
  return catalogue.relations.filter(isIn).map((relation) => ({ name: qualifiedName(relation), access: 'write' }));
}

/** UNDROP TABLE | SCHEMA | DATABASE name: it comes back under the name it had, and classes go by names. */
export function planUndrop(statement: StatementText, { context }: Planning): Part {
  const reader = new Reader(statement, 1);
  const kind = reader.takeOneOf(new Set(['TABLE', 'SCHEMA', 'DATABASE']));
  const name = kind === null ? null : reader.name();
  if (kind === null || name === null || !reader.isAtEnd) return kindRefused('UNDROP', 'this form of UNDROP', FORMS);
  const full = kind === 'TABLE' ? qualify(name, context) : null;
  if (kind === 'TABLE' && full === null) return refused('UNDROP TABLE', NO_PLACE);
  const relations = full === null ? [] : [{ name: full.join('.'), access: 'write' as const }];
  return part(`UNDROP ${kind}`, { effects: ['ddl'], relations, changes: [CATALOGUE] });
}

/** TRUNCATE [TABLE] [IF EXISTS] name. */
export function planTruncate(statement: StatementText, { context }: Planning): Part {
  const reader = new Reader(statement, 1);
  reader.take('TABLE');
  const mayMiss = reader.take('IF', 'EXISTS');
  const name = reader.name();
  if (name === null || !reader.isAtEnd) return kindRefused('TRUNCATE', 'this form of TRUNCATE', FORMS);
  return onRelation('TRUNCATE', name, context, mayMiss, () => ({ effects: ['write'] }));
}

/** COMMENT ON kind name IS 'text'. */
export function planComment(statement: StatementText, { context }: Planning): Part {
  const reader = new Reader(statement, 1);
  reader.take('IF', 'EXISTS');
  const kind = reader.take('ON') ? reader.takeOneOf(new Set(['TABLE', 'VIEW', 'SCHEMA', 'DATABASE', 'COLUMN'])) : null;
  const name = kind === null ? null : reader.name();
  if (kind === null || name === null || !reader.take('IS') || reader.takeKind('string') === null || !reader.isAtEnd) {
    return kindRefused('COMMENT', 'this form of COMMENT', "Write COMMENT ON TABLE name IS 'text'.");
  }
  const relation = kind === 'COLUMN' ? name.slice(0, -1) : name;
  if (kind === 'SCHEMA' || kind === 'DATABASE') return part('COMMENT', { effects: ['ddl'] });
  return onRelation('COMMENT', relation, context, false, () => ({ effects: ['ddl'] }));
}

/** GRANT and REVOKE: words and names. Not to a share: other accounts would read what is behind it. */
export function planGrant(statement: StatementText, { context }: Planning): Part {
  const verb = wordAt(statement, 0);
  const words = new Reader(statement, 1).rest();
  const isPlain = words.every((word) => /^(?:[A-Z_][A-Z0-9_$]*|[.,()]|<quoted>)$/.test(word));
  if (!isPlain || words.some((word) => word === 'SHARE' || word === 'SHARES')) {
    return kindRefused(verb, `this form of ${verb}`, 'Grant privileges on objects, or roles, to roles and users.');
  }
  const on = words.indexOf('ON');
  const reader = new Reader(statement, 1 + on + 1);
  reader.takeOneOf(new Set(['TABLE', 'VIEW']));
  const name = on < 0 ? null : reader.name();
  const relation = name === null ? undefined : findRelation(name, context);
  return part(verb, {
    effects: ['admin'],
    ...(relation === undefined
      ? {}
      : { relations: [{ name: qualifiedName(relation), access: 'write' }], classes: classesOf(relation, context) }),
  });
}

/** ALTER TABLE | VIEW | WAREHOUSE: forms that move nothing protected to another name, and make no column from others. Schemas keep
 *  their names: tables that were dropped from them could come back under another. */
export function planAlter(statement: StatementText, planning: Planning): Part {
  const { context } = planning;
  const reader = new Reader(statement, 1);
  const kind = reader.takeOneOf(new Set(['TABLE', 'VIEW', 'WAREHOUSE']));
  if (kind === null) return kindRefused('ALTER', 'this kind of ALTER', 'ALTER TABLE, VIEW, WAREHOUSE and SESSION are passed.');
  const verb = `ALTER ${kind}`;
  const mayMiss = reader.take('IF', 'EXISTS');
  const name = reader.name();
  if (name === null) return kindRefused(verb, `this form of ${verb}`, FORMS);
  if (kind === 'WAREHOUSE') return planAlterWarehouse(reader);
  const found = findRelation(name, context);
  const change = alteration(reader, found, context);
  if (change === null) {
    return kindRefused(
      verb,
      `this form of ${verb}`,
      'Add columns with constants for their defaults, drop or rename columns that are not protected, or set the comment.',
    );
  }
  if (typeof change !== 'string' && 'code' in change) return refused(verb, change);
  return onRelation(verb, name, context, mayMiss, () => ({ effects: ['ddl'], changes: [CATALOGUE, ...ownChange(found, change, context)] }));
}

type Alteration =
  | 'other'
  | { readonly add: NonNullable<SnowflakeRelation['columns']>; readonly isNamed?: boolean }
  | { readonly rename: readonly string[] };

const MOVES: Unknown = {
  code: 'write-of-protected',
  what: 'another name for protected columns',
  remedy: 'Leave names of tables with protected columns as they are: classes go by names.',
};

const FORGETS: Unknown = {
  code: 'write-of-protected',
  what: 'dropping a protected column',
  remedy: 'Leave it, or drop the table: earlier states of the table would still show the column, and nobody would know its class.',
};

function isHidden(relation: SnowflakeRelation, column: string, { protection, masks }: PlanContext): boolean {
  const carried = relation.columns?.find((each) => each.name === column)?.classes ?? [];
  const classes = [...carried, ...(protection.columns.get(`${qualifiedName(relation)}.${column}`) ?? [])];
  return classes.some((each) => maskOfClass(each, masks) !== 'clear');
}

/** What ALTER TABLE does; null = nothing that is passed. */
function alteration(reader: Reader, found: SnowflakeRelation | undefined, context: PlanContext): Alteration | Unknown | null {
  const isFree = found !== undefined && isPlain(found, context);
  if (reader.take('RENAME', 'TO')) {
    const name = reader.name();
    const target = name === null ? null : qualify(name, context);
    if (target === null || !reader.isAtEnd) return null;
    const names = (found?.columns ?? []).map((each) => each.name);
    const comparable = comparableClass(target, names, context);
    return !isFree ? MOVES : comparable === undefined ? { rename: target } : plainValues(comparable);
  }
  if (reader.take('RENAME', 'COLUMN')) {
    const from = reader.name(1);
    const to = from !== null && reader.take('TO') ? reader.name(1) : null;
    if (to === null || !reader.isAtEnd) return null;
    if (found === undefined || !isFree) return MOVES;
    const comparable = comparableClass([found.database, found.schema, found.name], to, context);
    return comparable === undefined ? 'other' : plainValues(comparable);
  }
  if (reader.take('ADD')) {
    reader.take('COLUMN');
    reader.take('IF', 'NOT', 'EXISTS');
    const hasDefault = reader.rest().includes('DEFAULT');
    const columns = addedColumns(reader);
    if (columns === null || found === undefined) return columns === null ? null : { add: columns };
    const names = columns.map((each) => each.name);
    const path = [found.database, found.schema, found.name] as const;
    const comparable = hasDefault ? comparableClass(path, names, context) : undefined;
    if (comparable !== undefined) return plainValues(comparable);
    const isNamed = names.some((name) => classesNamed(path, name, context.rules).length > 0);
    return isNamed ? { add: columns, isNamed } : { add: columns };
  }
  if (reader.take('DROP')) {
    reader.take('COLUMN');
    reader.take('IF', 'EXISTS');
    const names: string[] = [];
    do {
      const name = reader.name(1);
      if (name === null) return null;
      names.push(...name);
    } while (reader.take(','));
    if (!reader.isAtEnd) return null;
    return found !== undefined && names.some((name) => isHidden(found, name, context)) ? FORGETS : 'other';
  }
  if (reader.take('SET', 'COMMENT', '=') && reader.takeKind('string') !== null && reader.isAtEnd) return 'other';
  return null;
}

/** An own table of the session is known by what its statements said. */
function ownChange(found: SnowflakeRelation | undefined, change: Alteration, { session, catalogue }: PlanContext): SessionChange[] {
  if (found === undefined || session.own.get(qualifiedName(found)) === undefined) return [];
  const dropped: SessionChange = { kind: 'drop', name: qualifiedName(found) };
  const isInCatalogue = catalogue.relation(found.database, found.schema, found.name) !== undefined;
  // The policy protects what is added, by its name: the catalogue will tell.
  if (change !== 'other' && 'add' in change && change.isNamed === true && isInCatalogue) return [dropped];
  if (change === 'other') return [{ kind: 'create', relation: { ...found, columns: null } }];
  if ('add' in change)
    return [{ kind: 'create', relation: { ...found, columns: found.columns === null ? null : [...found.columns, ...change.add] } }];
  const [database = '', schema = '', name = ''] = change.rename;
  return [dropped, { kind: 'create', relation: { ...found, database, schema, name } }];
}

function planAlterWarehouse(reader: Reader): Part {
  const isPlain = reader.take('SUSPEND') || (reader.take('RESUME') && (reader.take('IF', 'SUSPENDED') || true)) || setsWarehouse(reader);
  if (!isPlain || !reader.isAtEnd)
    return kindRefused('ALTER WAREHOUSE', 'this form of ALTER WAREHOUSE', 'SUSPEND, RESUME and SET WAREHOUSE_SIZE are passed.');
  return part('ALTER WAREHOUSE', { effects: ['admin'] });
}

function setsWarehouse(reader: Reader): boolean {
  if (!reader.take('SET', 'WAREHOUSE_SIZE', '=')) return false;
  return reader.takeKind('string') !== null || reader.name(1) !== null;
}

function onRelation(
  verb: string,
  name: readonly string[],
  context: PlanContext,
  mayMiss: boolean,
  found: (name: string) => Partial<Part>,
): Part {
  const full = qualify(name, context);
  if (full === null) return refused(verb, NO_PLACE);
  const relation = findRelation(name, context);
  if (relation === undefined && !mayMiss) return refused(verb, NO_RELATION);
  if (relation?.kind === 'system') return kindRefused(verb, 'a view of INFORMATION_SCHEMA', 'It can only be read.');
  return part(verb, {
    relations: [{ name: full.join('.'), access: 'write' }],
    classes: relation === undefined ? [] : classesOf(relation, context),
    ...found(full.join('.')),
  });
}
