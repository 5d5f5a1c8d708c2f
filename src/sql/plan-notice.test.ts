import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestSession, clear, plan } from '../../test/support/plan.ts';

const notices = (text: string): (string | undefined)[] => plan(text).statements.map(({ notice }) => notice);
const kept = new TestSession((_, { name }) => (name === 'dob' ? "date_trunc('year', dob)::date" : "'***'::text"));

describe('the notice about predicates that see masks', () => {
  it('names the columns, once for a statement', () => {
    assert.deepEqual(notices("SELECT id FROM patients WHERE ssn = '1' OR ssn = '2'"), [
      'sallyport: column ssn is masked; the predicate saw the mask',
    ]);
    assert.deepEqual(notices("SELECT id FROM patients p JOIN encounters e ON e.reason = p.name WHERE ssn = '1'; SELECT 1"), [
      'sallyport: columns name, reason, ssn are masked; predicates saw the masks',
      undefined,
    ]);
  });

  it('is not there when no predicate sees a mask', () => {
    assert.deepEqual(notices('SELECT ssn FROM patients WHERE id = 1'), [undefined]);
    assert.deepEqual(notices("SELECT name FROM pg_settings WHERE sourcefile = 'x'"), [undefined]);
    assert.equal(clear("SELECT id FROM patients WHERE ssn = '1'").statements[0]?.notice, undefined);
  });

  it('comes with DECLARE, not with PREPARE or EXPLAIN', () => {
    assert.match(notices("DECLARE c CURSOR FOR SELECT id FROM patients WHERE ssn = '1'")[0] ?? '', /column ssn/);
    assert.deepEqual(notices("PREPARE p AS SELECT id FROM patients WHERE ssn = '1'"), [undefined]);
    assert.deepEqual(notices("EXPLAIN SELECT id FROM patients WHERE ssn = '1'"), [undefined]);
  });
});

describe('EXPLAIN over a mask that keeps something of the value', () => {
  it('leaves the estimates out: they come from the true values', () => {
    const explained = (text: string): string => kept.plan(text).forward ?? '';
    assert.match(explained('EXPLAIN SELECT dob, count(*) FROM patients GROUP BY dob'), /^EXPLAIN \(COSTS off\) SELECT/i);
    assert.match(explained('EXPLAIN (VERBOSE, COSTS ON) SELECT DISTINCT dob FROM patients'), /^EXPLAIN \(VERBOSE, COSTS off\) SELECT/i);
    assert.match(explained('PREPARE p AS SELECT DISTINCT dob FROM patients') && explained('EXPLAIN EXECUTE p'), /COSTS off/i);
    assert.doesNotMatch(explained('EXPLAIN SELECT ssn, count(*) FROM patients GROUP BY ssn'), /COSTS/i);
  });
});
