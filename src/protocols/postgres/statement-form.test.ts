import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from '../../sql/parser.ts';
import { formSha256 } from './statement-form.ts';

const parser = await createParser();
const form = (text: string): string => formSha256(text, parser);
const update = "UPDATE plain SET note = 'a' WHERE id = 1";

test('blanks and comments make no difference', () => {
  for (const same of [
    "UPDATE  plain\n SET note='a' -- why\n WHERE id=1",
    "/* who */ UPDATE plain SET note = 'a' WHERE id = 1 ",
    "UPDATE plain SET note/**/= 'a' WHERE id = 1",
  ])
    assert.equal(form(same), form(update), same);
});

test('everything else does: constants, names, quotes, order, a further statement', () => {
  const others = [
    update,
    "UPDATE plain SET note = 'b' WHERE id = 1",
    "UPDATE plain SET note = 'A' WHERE id = 1",
    "UPDATE plain SET note = ' a' WHERE id = 1",
    "UPDATE plain SET note = '/* who */a' WHERE id = 1",
    "UPDATE plain SET note = 'a' WHERE id = 11",
    "UPDATE plain SET note = 'a' WHERE id = 1 1",
    "UPDATE plain SET note = 'a' WHERE id = 1; DELETE FROM plain",
    "UPDATE plain SET note = E'a' WHERE id = 1",
    `UPDATE "plain" SET note = 'a' WHERE id = 1`,
    "UPDATE plain SET note = 'ä' WHERE id = 1",
    "UPDATE plain SET note = 'ö' WHERE id = 1",
    'SELECT 1 AS "a b"',
    'SELECT 1 AS a, b',
    "SELECT 'a' || 'b'",
    "SELECT 'a'\n'b'",
    "SELECT 'ab'",
    'SELECT $$a b$$',
    'SELECT $$a  b$$',
  ];
  assert.equal(new Set(others.map(form)).size, others.length);
});

test('a text that cannot be scanned is its own form', () => {
  assert.equal(form("SELECT 'open"), form("SELECT 'open"));
  assert.notEqual(form("SELECT 'open"), form("SELECT  'open"));
});
