// Commands of the session: USE, SET, ALTER SESSION, transactions. None has an effect on the target; SET of a query reads.

import { isHarmlessParameter } from './session-parameters.ts';
import { stringValue } from './lexer.ts';
import { kindRefused, part, type Part, refused } from './part.ts';
import { type Planning, planTree } from './planning.ts';
import { Reader, type StatementText, written } from './statement-text.ts';
import type { SessionChange } from './types.ts';

const NOT_READ = 'Use one of the forms in docs/protocols/snowflake.md.';

/** USE [DATABASE | SCHEMA | WAREHOUSE] name. Which database and schema are in use afterwards, Snowflake says in its answer. */
export function planUse(statement: StatementText): Part {
  const reader = new Reader(statement, 1);
  if (reader.word === 'ROLE' || reader.word === 'SECONDARY') {
    return kindRefused('USE', `USE ${reader.word}`, 'The role of a session is the one the gateway has configured for this target.');
  }
  const kind = reader.takeOneOf(new Set(['DATABASE', 'SCHEMA', 'WAREHOUSE']));
  const name = reader.name(kind === 'WAREHOUSE' || kind === 'DATABASE' ? 1 : 2);
  if (name === null || !reader.isAtEnd) return kindRefused('USE', 'this form of USE', NOT_READ);
  return part(kind === null ? 'USE' : `USE ${kind}`);
}

/** SET v = constant | expression | (query); SET (a, b) = (constant, ...). */
export function planSet(statement: StatementText, planning: Planning): Part {
  const reader = new Reader(statement, 1);
  const names = namesOf(reader);
  if (names === null || !reader.take('=')) return kindRefused('SET', 'this form of SET', 'Write SET name = value.');
  const constants = constantsOf(reader, statement);
  if (constants !== null && constants.length === names.length && reader.isAtEnd) {
    if (constants.some((value) => value !== null && planning.context.tokens.meansToken(value))) {
      return refused('SET', {
        code: 'token',
        what: 'a token in a session variable',
        remedy: 'Write the token in the statement itself, or bind it.',
      });
    }
    return part('SET', { changes: names.map((name, index) => ({ kind: 'variable', name, value: constants[index] ?? null })) });
  }
  const [only] = names;
  if (names.length !== 1 || only === undefined)
    return kindRefused('SET', 'SET of several variables to what is not constant', 'Set them one by one.');
  return planSetQuery(only, statement, planning, statement.tokens[2]?.end ?? 0);
}

/** The value is worked out by Snowflake: nothing protected may be in it, the variable would show it. */
function planSetQuery(name: string, statement: StatementText, planning: Planning, end: number): Part {
  const start = statement.tokens[0]?.start ?? 0;
  const planned = planTree('SET', statement, planning, [{ start, end, text: 'SELECT' }]);
  const isClear = planned.outputs?.every(({ classes, mask }) => classes.length === 0 || mask === 'clear') ?? false;
  const changes: SessionChange[] = [{ kind: 'variable', name, value: null }];
  if (isClear || planned.unknowns.length > 0) return { ...planned, verb: 'SET', outputs: null, changes };
  return refused('SET', {
    code: 'protected-use',
    what: 'a protected value in a session variable',
    remedy: 'Select it: it is shown by its mask. A variable would pass it on unmasked.',
  });
}

/** UNSET v | UNSET (a, b). */
export function planUnset(statement: StatementText): Part {
  const reader = new Reader(statement, 1);
  const names = namesOf(reader);
  if (names === null || !reader.isAtEnd) return kindRefused('UNSET', 'this form of UNSET', 'Write UNSET name.');
  return part('UNSET', { changes: names.map((name) => ({ kind: 'variable', name, value: null })) });
}

function namesOf(reader: Reader): string[] | null {
  const isList = reader.take('(');
  const names: string[] = [];
  do {
    const name = reader.name(1);
    if (name === null) return null;
    names.push(...name);
  } while (reader.take(','));
  return isEnded(reader, isList, names.length) ? names : null;
}

/** Texts of constants, as a string variable would have them; null where there is anything else. */
function constantsOf(reader: Reader, statement: StatementText): (string | null)[] | null {
  const isList = reader.take('(');
  const values: (string | null)[] = [];
  do {
    const value = constantOf(reader, statement);
    if (value === undefined) return null;
    values.push(value);
  } while (reader.take(','));
  return isEnded(reader, isList, values.length) ? values : null;
}

/** Several stand in brackets. */
function isEnded(reader: Reader, isList: boolean, count: number): boolean {
  return isList ? reader.take(')') : count === 1;
}

const BOOLEANS: ReadonlySet<string> = new Set(['TRUE', 'FALSE']);

function constantOf(reader: Reader, statement: StatementText): string | null | undefined {
  if (reader.take('NULL')) return null;
  const boolean = reader.takeOneOf(BOOLEANS);
  if (boolean !== null) return boolean.toLowerCase();
  const string = reader.takeKind('string');
  if (string !== null) return stringValue(statement.source, string) ?? undefined;
  const sign = reader.take('-') ? '-' : '';
  const number = reader.takeKind('number');
  return number === null ? undefined : sign + written(statement, number);
}

/** ALTER SESSION SET p = constant ... | UNSET p, ... */
export function planAlterSession(statement: StatementText): Part {
  const reader = new Reader(statement, 2);
  const isUnset = reader.take('UNSET');
  if (!isUnset && !reader.take('SET')) return kindRefused('ALTER SESSION', 'this form of ALTER SESSION', NOT_READ);
  do {
    const name = reader.name(1)?.[0];
    if (name === undefined || (!isUnset && (!reader.take('=') || constantOf(reader, statement) === undefined))) {
      return kindRefused('ALTER SESSION', 'this form of ALTER SESSION', NOT_READ);
    }
    if (!isHarmlessParameter(name)) {
      return refused('ALTER SESSION', {
        code: 'setting',
        what: 'a session parameter that is the gateway’s to set',
        remedy: 'Leave it as it is. Formats of dates and times, time zone, week start and time-outs may be set.',
      });
    }
    reader.take(',');
  } while (!reader.isAtEnd);
  return part('ALTER SESSION');
}

/** BEGIN, START TRANSACTION, COMMIT, ROLLBACK. A BEGIN with statements behind it is a block, and none of these. */
export function planTransaction(statement: StatementText): Part {
  const reader = new Reader(statement);
  const verb = reader.word;
  reader.skip();
  if (verb === 'START' && !reader.take('TRANSACTION')) return kindRefused('START', 'this form of START', NOT_READ);
  if (verb !== 'START') reader.takeOneOf(new Set(verb === 'BEGIN' ? ['WORK', 'TRANSACTION'] : ['WORK']));
  if ((verb === 'BEGIN' || verb === 'START') && reader.take('NAME') && reader.name(1) === null) reader.skip();
  if (!reader.isAtEnd) {
    return kindRefused(
      verb,
      verb === 'BEGIN' ? 'a block of Snowflake Scripting' : `this form of ${verb}`,
      'Send its statements one by one.',
    );
  }
  return part(verb === 'START' ? 'START TRANSACTION' : verb);
}
