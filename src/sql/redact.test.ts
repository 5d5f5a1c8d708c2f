import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createParser } from './parser.ts';
import { redact } from './redact.ts';

const parser = await createParser();
const KNOWN = new Set(['patients', 'ssn', 'id', 'name', 'public', 'clinics', 'lower', 'Order Items', 'scratch']);
const SECRETS = ['970-78-9909', '970789909', 'quackenbush', '970', '9909', 'zebulon'];

const redacted = (text: string): string | null => redact(text, parser, (name) => KNOWN.has(name));

/** Planted values, one per place a statement can hide one. */
const PROBES: readonly (readonly [string, string])[] = [
  ['literal', "SELECT id FROM patients WHERE ssn = '970-78-9909'"],
  ['line comment', 'SELECT id FROM patients -- Zebulon Quackenbush 970-78-9909'],
  ['block comment', 'SELECT /* Quackenbush */ id FROM patients'],
  ['nested comment', 'SELECT /* a /* Quackenbush */ 970-78-9909 */ id FROM patients'],
  ['quoted alias', 'SELECT ssn AS "970-78-9909" FROM patients'],
  ['quoted alias with quotes inside', 'SELECT ssn AS "a""970-78-9909""b" FROM patients'],
  ['unicode-escaped alias', 'SELECT ssn AS U&"970-78-9909 Quackenbush" FROM patients'],
  ['unquoted alias', 'SELECT ssn AS quackenbush_970789909 FROM patients'],
  ['unquoted column', 'SELECT zebulon FROM patients WHERE Quackenbush = 1'],
  ['CREATE VIEW', "CREATE VIEW quackenbush AS SELECT * FROM patients WHERE ssn = '970-78-9909'"],
  ['PREPARE', "PREPARE zebulon AS SELECT * FROM patients WHERE name = 'Zebulon' AND id = $1"],
  ['EXECUTE', "EXECUTE q1('970-78-9909', 970789909)"],
  ['CTAS', "CREATE TABLE zebulon AS SELECT '970-78-9909' AS s"],
  ['COMMENT ON', "COMMENT ON TABLE patients IS 'Zebulon Quackenbush, 970-78-9909'"],
  ['dollar quotes', "DO $$ BEGIN PERFORM 'Zebulon Quackenbush'; END $$"],
  ['tagged dollar quotes', 'SELECT $quackenbush$970-78-9909$quackenbush$'],
  ['escape string', "SELECT E'970-78\\-9909\\'Quackenbush'"],
  ['unicode string', "SELECT U&'970-78-9909' UESCAPE '!'"],
  ['bit strings', "SELECT B'0110', X'970789909'"],
  ['national string', "SELECT N'Quackenbush'"],
  ['continued string', "SELECT '970-'\n'78-9909'"],
  ['numbers', 'SELECT 970789909, 970.789909, 9.70789909e8, -970'],
  ['parameter number', 'SELECT $19909'],
  ['not SQL at all', 'please look up Zebulon Quackenbush born 970'],
  ['SET', "SET application_name = 'Quackenbush'"],
  ['COPY', "COPY patients FROM '/data/quackenbush.csv'"],
  ['window and function names', 'SELECT quackenbush(id) OVER zebulon FROM patients WINDOW zebulon AS (ORDER BY id)'],
  ['cast to an unknown type', "SELECT 'x'::quackenbush"],
  ['cursor', 'DECLARE quackenbush CURSOR FOR SELECT 970789909'],
  ['NOTIFY', "NOTIFY zebulon, '970-78-9909'"],
  ['unicode name', 'SELECT ssn AS quackenbüsh, ssn AS "Zebulon Ä" FROM patients'],
];

describe('redact', () => {
  for (const [place, text] of PROBES) {
    it(`lets nothing out of a ${place}`, () => {
      const answer = redacted(text);
      assert.ok(answer !== null, 'the probe must lex, or it proves nothing');
      for (const secret of SECRETS) assert.ok(!answer.toLowerCase().includes(secret), `${secret} in ${answer}`);
      assert.doesNotMatch(answer, /ü|Ä|zebul/i);
    });
  }

  it('gives nothing at all for a parameter number that no statement can have', () => {
    assert.equal(redacted('SELECT $970789909'), null);
  });

  it('keeps what makes a statement readable', () => {
    assert.equal(
      redacted("SELECT p.id,  lower(p.name) AS caption FROM public.patients p WHERE p.ssn = '1' AND p.id = $1 LIMIT 10"),
      'SELECT p.id, lower(p.name) AS _1 FROM public.patients p WHERE p.ssn = ? AND p.id = $1 LIMIT ?',
    );
    assert.equal(redacted('WITH recent AS (SELECT 1) SELECT * FROM recent r1, other'), 'WITH _1 AS (SELECT ?) SELECT * FROM _1 r1, _2');
    assert.equal(redacted('SELECT "ssn", "Order Items", "order items" FROM t'), 'SELECT "ssn", "Order Items", "?" FROM t');
  });

  it('folds unquoted names as the server does and does not fold quoted ones', () => {
    assert.equal(redacted('SELECT SSN, "SSN" FROM Patients'), 'SELECT SSN, "?" FROM Patients');
  });

  it('keeps neighbours apart when a comment between them goes', () => {
    assert.equal(redacted('SELECT/* x */id FROM patients'), 'SELECT id FROM patients');
    assert.equal(redacted('SELECT id--x\nFROM patients'), 'SELECT id FROM patients');
  });

  it('answers null for what cannot be lexed or is over the limits', () => {
    for (const text of [
      "SELECT 'Quackenbush",
      'SELECT "Quackenbush',
      'SELECT /* Quackenbush',
      'SELECT $$Quackenbush',
      "SELECT '\u0000'",
      "SELECT '\ud800'",
      `SELECT '${'x'.repeat(300_000)}'`,
    ]) {
      assert.equal(redacted(text), null);
    }
  });

  it('gives an empty text for an empty statement', () => {
    assert.equal(redacted(' -- only a comment'), '');
  });
});
