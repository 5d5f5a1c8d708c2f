// The policy tests of each pack (src/policy/pack-tests/), run as `policy test` runs them, over a catalogue of the demo's tables.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { testTokens } from '../../test/support/tokens.ts';
import { type AnalyseForTest, classRules, PACK_NAMES, type Policy, runPolicyTests, subjectsOf } from '../policy/index.ts';
import { Planner } from '../protocols/postgres/planner.ts';
import { LiveObjects } from '../protocols/postgres/session-objects.ts';
import { lineage } from '../sql/lineage-statement.ts';
import { createParser } from '../sql/parser.ts';
import { plan } from '../sql/plan.ts';
import { protect } from '../sql/protection.ts';
import { loadPolicyTexts } from './policy-source.ts';

const folder = join(import.meta.dirname, '../policy/pack-tests');
const parser = await createParser();
const id = 'integer not null';
const person = { patient_id: id };
const catalogue = testCatalogue({
  tables: {
    'public.patients': {
      columns: {
        id,
        mrn: 'text not null',
        name: 'text',
        dob: 'date',
        ssn: 'character varying(11)',
        phone: 'text',
        fax: 'text',
        email: 'text',
        address: 'text',
        city: 'text',
        state: 'text',
        zip: 'character varying(5)',
        active: 'boolean',
      },
      primaryKey: ['id'],
      unique: [['mrn']],
    },
    'public.coverage': { columns: { ...person, payer: 'text', member_number: 'text', account_number: 'text' }, primaryKey: ['patient_id'] },
    'public.patient_identity': {
      columns: {
        ...person,
        external_patient_id: 'uuid',
        drivers_license: 'text',
        license_plate: 'text',
        vin: 'text',
        profile_url: 'text',
        last_ip: 'inet',
        fingerprint: 'bytea',
        voice_print: 'text',
        photo_ref: 'text',
      },
      primaryKey: ['patient_id'],
    },
    'public.implants': { columns: { id, ...person, model: 'text', device_serial: 'text', implanted_on: 'date' }, primaryKey: ['id'] },
    'public.encounters': {
      columns: {
        id,
        ...person,
        kind: 'text',
        admitted_at: 'timestamp with time zone',
        age_at_visit: 'smallint',
        reason: 'text',
        cost: 'numeric',
      },
      primaryKey: ['id'],
    },
    'public.diagnoses': { columns: { id, encounter_id: 'integer', icd10: 'text', label: 'text', rank: 'smallint' }, primaryKey: ['id'] },
  },
});

function analyserOf(policy: Policy): AnalyseForTest {
  const planner = new Planner({
    engine: { plan, protect: (snapshot, rules, safe, parse, bound) => protect(snapshot, rules, parse, lineage, safe, bound) },
    parser,
    policy: () => ({
      version: policy.sha256,
      classRules: classRules(policy, 'clinic'),
      safeFunctions: new Set<string>(),
      subjectOf: subjectsOf(policy, 'clinic'),
    }),
    catalogue: () => catalogue,
    searchPath: ['public'],
    tokens: testTokens,
    maxCachedTexts: 100,
  });
  return async (_target, sql, masks) => planner.plan(sql, masks, new LiveObjects()).plan.facts;
}

test('every pack has tests, and nothing else has', () => {
  assert.deepEqual(readdirSync(folder).toSorted(), PACK_NAMES.map((name) => `${name}.yaml`).toSorted());
});

for (const name of PACK_NAMES) {
  test(`the pack ${name} does what its tests say`, async () => {
    const file = { name: `${name}.yaml`, text: readFileSync(join(folder, `${name}.yaml`), 'utf8') };
    const loaded = loadPolicyTexts([file], { targets: ['clinic'], issuers: ['corp'] });
    assert.deepEqual(loaded.ok ? [] : loaded.faults, []);
    if (!loaded.ok) return;
    assert.deepEqual(loaded.policy.packs, [name]);
    const results = await runPolicyTests(loaded.policy, analyserOf(loaded.policy));
    assert.deepEqual(
      results.filter(({ passed }) => !passed).map((result) => [result.name, ...result.differences]),
      [],
    );
    // Each rule of the pack is expected by a test, so that none can be lost unseen.
    const expected = new Set(loaded.policy.tests.flatMap(({ expect }) => expect.rules ?? []));
    const untested = loaded.policy.rules.map((rule) => rule.name).filter((rule) => !expected.has(rule));
    assert.deepEqual(untested, []);
  });
}
