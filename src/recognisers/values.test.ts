import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recognise, VALUE_KINDS, type ValueKind } from './index.ts';

const cases: readonly (readonly [ValueKind, readonly string[], readonly string[], readonly string[]])[] = [
  // kind, strong, weak, none
  [
    'ssn',
    ['123-45-6789', '899-99-9999', '912-70-1234'],
    ['123456789', ' 123456789 '],
    ['000-12-3456', '666-12-3456', '123-00-4567', '123-45-0000', '900-12-3456', '123-456789', '1234567890', '12-345-6789'],
  ],
  ['npi', ['1234567893', '1245319599'], [], ['1234567890', '3234567893', '123456789', '12345678931']],
  ['mbi', ['1EG4-TE5-MK73', '1eg4te5mk73'], [], ['0EG4TE5MK73', '1SG4TE5MK73', '1EG4TE5MK7', '1EG4TE5MK7A']],
  ['dea', ['AB1234563', 'bb1388568'], [], ['AB1234567', 'WB1234563', 'AB123456']],
  ['card', ['4111 1111 1111 1111', '5555555555554444', '378282246310005'], [], ['4111111111111112', '1111111111111117', '41111111']],
  ['iban', ['DE89 3704 0044 0532 0130 00', 'GB82WEST12345698765432'], [], ['DE88370400440532013000', 'DE89']],
  ['vin', ['1HGCM82633A004352', '1m8gdm9axkp042788'], [], ['1HGCM82633A004353', '11111111111111111', '1HGCM82633A00435']],
  ['udi', ['(01)00844588003288(17)141120'], [], ['(01)00844588003289', '(02)00844588003288']],
  ['mac', ['00:1B:44:11:3A:B7', '00-1b-44-11-3a-b7'], [], ['00:1B:44:11:3A', '00:1B-44:11:3A:B7', '00:1B:44:11:3A:BG']],
  [
    'ip',
    ['10.0.0.1', '255.255.255.255', '2001:db8::1', '::1', 'fe80:0:0:0:0:0:0:1'],
    [],
    ['1.2.3', '256.1.1.1', '01.2.3.4', '1.2.3.4.5', '12:30:45', ':::', 'abc', '1:2:3:4:5:6:7:8:9'],
  ],
  ['url', ['https://example.org/a?b=c', 'FTP://host.example.org'], [], ['example.org', 'https://host', 'mailto:a@b.org', 'https:// a.b']],
  ['email', ["a.o'b+c@mail.example.org", 'x@y.co'], [], ['a@b', 'a b@c.org', '@example.org', 'a@b..org', 'a@@b.org']],
  [
    'phone',
    ['(617) 555-0123', '617-555-0123', '+16175550123', '+4915112345678', '617.555.0123 x12'],
    ['6175550123', '16175550123'],
    ['117-555-0123', '617-155-0123', '555-0123', '(617 555-0123', '12345678901234567'],
  ],
  ['zip', ['02139-4307'], ['02139', '99950'], ['00500', '99999', '2139', '021394307']],
  [
    'date',
    [],
    ['1980-02-29', '2026-11-21T10:00:00Z', '2/28/1981', '28.2.1981', '12 Mar 1999', 'March 12, 1999'],
    ['1981-02-29', '1700-01-01', '13/13/2000', '2026-13-01', '1.2.3', '20260101', '31/4/2020'],
  ],
  ['address', ['12 Oak Street', '4711B West Main St.', '1 Dr. King Blvd'], [], ['Oak Street', '12', 'Room 12', '12 monkeys']],
  [
    'name',
    ['Maria Garcia', "O'Brien, Patrick", 'Anna-Lena Müller Anna', 'SMITH, JOHN'],
    ['Cardiology', 'Chest X-ray'.replace('X-ray', 'Xray'), 'Quackenbush'],
    ['maria garcia', 'Take 2 pills', 'A B C D E', 'x', '123'],
  ],
];

test('every kind of value is recognised by structure and checksum, and what is close is not', () => {
  assert.deepEqual(
    cases.map(([kind]) => kind),
    [...VALUE_KINDS],
  );
  for (const [kind, strong, weak, none] of cases) {
    for (const [expected, texts] of [
      ['strong', strong],
      ['weak', weak],
      [null, none],
    ] as const)
      for (const text of texts) assert.equal(recognise(kind, text), expected, `${kind} ${JSON.stringify(text)}`);
  }
});

test('empty, long and odd texts are nothing, in bounded time', () => {
  const hostile = [
    '',
    ' ',
    '\u0000',
    '💥'.repeat(50),
    `1 ${'a '.repeat(98)}`,
    `${'1'.repeat(199)}x`,
    `${'a.'.repeat(90)}@`,
    `+${'1'.repeat(180)}`,
    'x'.repeat(100_000),
    `https://${'a'.repeat(180)}`,
  ];
  const start = performance.now();
  for (const kind of VALUE_KINDS)
    for (const text of hostile) assert.notEqual(recognise(kind, text), 'strong', `${kind} ${text.slice(0, 20)}`);
  assert.ok(performance.now() - start < 1000);
});

test('one digit changed breaks a checksum', () => {
  for (const [kind, text] of [
    ['npi', '1234567893'],
    ['card', '5555555555554444'],
    ['dea', 'AB1234563'],
    ['udi', '(01)00844588003288'],
  ] as const) {
    const last = text.length - 1;
    for (let digit = 0; digit < 10; digit += 1) {
      const changed = `${text.slice(0, last)}${digit}`;
      assert.equal(recognise(kind, changed) === 'strong', changed === text, changed);
    }
  }
});
