import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { boundedNotice, NOTICE_LIMITS, plainText, type Notice } from './notice.ts';

const notice: Notice = {
  kind: 'approval.requested',
  id: 'apr_a',
  event: 'pending 0',
  title: 'title',
  facts: [],
  link: null,
  actions: [],
  who: null,
};

describe('a notice', () => {
  it('has no line breaks, control characters or marks that hide or reorder text', () => {
    const hostile = 'Eve\r\nBcc: all\u0000\u001b[2J\u202egpj.exe\u200b\u2028x\ufeff';
    assert.equal(plainText(hostile, 100), 'Eve Bcc: all [2J gpj.exe x');
  });

  it('is cut between characters, and shows that it was cut', () => {
    assert.equal(plainText('abcdef', 4), 'abc…');
    assert.equal(plainText('ab😀cd', 4), 'ab…');
    assert.equal(plainText('abcd', 4), 'abcd');
    assert.equal(plainText('\ud800', 4), '\ufffd');
  });

  it('stays within its limits whatever it is made of', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.array(fc.record({ name: fc.string({ maxLength: 90 }), value: fc.string({ unit: 'binary', maxLength: 3000 }) }), {
          maxLength: 60,
        }),
        (title, facts) => {
          const bounded = boundedNotice({ ...notice, title, facts });
          assert.ok(bounded.title.length <= NOTICE_LIMITS.title);
          assert.ok(bounded.facts.length <= NOTICE_LIMITS.facts);
          const total = bounded.facts.reduce((sum, fact) => sum + fact.name.length + fact.value.length, 0);
          assert.ok(total <= NOTICE_LIMITS.text + NOTICE_LIMITS.name);
          for (const { name, value } of bounded.facts) {
            assert.ok(name.length <= NOTICE_LIMITS.name && value.length <= NOTICE_LIMITS.value);
            assert.ok(`${name}${value}`.isWellFormed() && !/[\p{Cc}\u202e]/u.test(name + value));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('carries no field that it does not know', () => {
    const more = { ...notice, rows: ['123-45-6789'], facts: [{ name: 'a', value: 'b', raw: '123-45-6789' }] };
    assert.ok(!JSON.stringify(boundedNotice(more)).includes('123-45-6789'));
  });
});
