import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepts, catalogue, plan, protection, refusals, refuses, TestSession } from '../../test/support/plan.ts';

describe('MERGE', () => {
  it('writes its target as it is, and reads its source through masks', () => {
    const made = plan(
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED AND p.sex = $1 THEN UPDATE SET n = p.clinic_id WHEN NOT MATCHED THEN INSERT (id, n) VALUES (p.id, 1)',
    );
    assert.match(
      made.forward ?? '',
      /^MERGE INTO public\.scratch AS s USING \( SELECT .*'\*\*\*'::text AS "ssn".* FROM "public"\."patients" \) AS p ON/,
    );
    assert.deepEqual(made.facts.effects, ['read', 'write']);
    assert.deepEqual(
      made.facts.relations.map(({ name, access }) => `${name} ${access}`),
      ['public.patients read', 'public.scratch write'],
    );
    assert.deepEqual(made.facts.verbs, ['MERGE']);
    // Predicates on the source see masks, and are predicates in the facts.
    assert.deepEqual(
      plan("MERGE INTO scratch s USING patients p ON s.id = p.id AND p.ssn = '1' WHEN MATCHED THEN DELETE").facts.predicateClasses,
      ['phi.ssn'],
    );
  });

  it('may take any action that stores and reads nothing masked', () => {
    accepts([
      'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT DEFAULT VALUES',
      'MERGE INTO scratch s USING (VALUES (1, $1)) v(id, k) ON s.id = v.id WHEN MATCHED AND s.n > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET (k, n) = (v.k, 2)',
      'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN UPDATE SET (k, n) = (SELECT region, id FROM clinics LIMIT 1)',
      "MERGE INTO patients p USING (VALUES (1, 'x')) v(id, s) ON p.id = v.id WHEN MATCHED THEN UPDATE SET ssn = v.s, name = $1",
      'MERGE INTO ONLY scratch s USING clinics c ON false WHEN NOT MATCHED THEN INSERT VALUES (c.id, c.name, c.region, 1)',
      'WITH w AS (SELECT id FROM patients) MERGE INTO scratch s USING w ON s.id = w.id WHEN MATCHED THEN DELETE',
      'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED BY TARGET THEN DO NOTHING',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET n = 1 RETURNING merge_action(), s.*, p.ssn',
      'WITH m AS (MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN DELETE RETURNING s.id) SELECT * FROM m',
      'EXPLAIN MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN DELETE',
      'PREPARE m AS MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET n = $1',
    ]);
  });

  it('may not read a masked column of its target anywhere', () => {
    refuses('write-of-protected', [
      "MERGE INTO patients p USING scratch s ON p.ssn = 'x' WHEN MATCHED THEN DELETE",
      'MERGE INTO patients p USING scratch s ON p.ssn = s.k WHEN MATCHED THEN UPDATE SET sex = $1',
      "MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED AND name LIKE 'A%' THEN DELETE",
      "MERGE INTO patients USING scratch s ON patients.id = s.id WHEN NOT MATCHED BY SOURCE AND dob > '2000-01-01' THEN DELETE",
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET clinic_id = length(p.ssn)',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET sex = (SELECT p.ssn)',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET sex = (SELECT k FROM scratch WHERE k = p.name)',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN DELETE RETURNING p.*',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN DELETE RETURNING *',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET sex = $1 RETURNING old.ssn',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET sex = $1 RETURNING to_jsonb(p)',
      'MERGE INTO directory d USING scratch s ON d.who = s.k WHEN MATCHED THEN DELETE',
    ]);
  });

  it('may not store what the masks hide, nor the masks', () => {
    refuses('write-of-protected', [
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET k = p.ssn',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET (k, v) = (p.sex, lower(p.name))',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN NOT MATCHED THEN INSERT (id, v) VALUES (p.id, p.ssn)',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ssn)',
      'MERGE INTO scratch s USING (SELECT id, ssn AS x FROM patients) p ON s.id = p.id WHEN NOT MATCHED THEN INSERT (k) VALUES (x)',
      'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN UPDATE SET k = (SELECT max(name) FROM patients)',
      'WITH m AS (MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET k = p.ssn RETURNING 1 AS x) SELECT * FROM m',
    ]);
  });

  it('may not ask keys, rules and opaque code of its target', () => {
    refuses('write-of-protected', [
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, mrn) VALUES (s.id, $1)',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN MATCHED THEN UPDATE SET mrn = $1',
      'MERGE INTO patients p USING scratch s ON p.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id)',
      'MERGE INTO noisy n USING scratch s ON n.id = s.id WHEN MATCHED THEN UPDATE SET k = s.k RETURNING n.k',
    ]);
    const opaque = plan('MERGE INTO noisy n USING scratch s ON n.id = s.id WHEN MATCHED THEN UPDATE SET k = s.k');
    assert.deepEqual([refusals(opaque), opaque.statements[0]?.messages], [[], 'code-only']);
    assert.equal(plan('MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN DELETE').statements[0]?.messages, 'trim');
    assert.deepEqual(
      plan('MERGE INTO clinics c USING scratch s ON c.id = s.id WHEN MATCHED THEN DELETE').facts.relations.map(({ name }) => name),
      ['public.clinics', 'public.kid', 'public.scratch'],
    );
  });

  it('is refused on servers that do not have it, and so are its newer parts', () => {
    const on = (serverVersionNum: number): TestSession =>
      new TestSession(undefined, {
        protection: { ...protection, catalogue: Object.create(catalogue, { serverVersionNum: { value: serverVersionNum } }) },
      });
    const text = 'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN DELETE';
    assert.deepEqual(refusals(on(150000).plan(text)), []);
    assert.ok(refusals(on(140000).plan(text)).includes('server-version'));
    for (const newer of [`${text} RETURNING s.id`, text.replace('WHEN MATCHED', 'WHEN NOT MATCHED BY SOURCE')]) {
      assert.deepEqual(refusals(on(170000).plan(newer)), []);
      assert.deepEqual(refusals(on(160000).plan(newer)), ['server-version'], newer);
    }
  });
});
