// What it costs to understand a statement, in this process: uncached (parse, facts, rewrite, print, verify), of a shape that is cached,
// and cached as a text, for statements of three sizes over a catalogue with protected columns.

import type { MaskSet } from '../../src/core/decision.ts';
import { LiveObjects } from '../../src/protocols/postgres/session-objects.ts';
import { Planner } from '../../src/protocols/postgres/planner.ts';
import { lineage } from '../../src/sql/lineage-statement.ts';
import { plan } from '../../src/sql/plan.ts';
import { protect } from '../../src/sql/protection.ts';
import { catalogue, parser } from '../../test/support/plan.ts';
import type { BenchOptions, Section } from './lab.ts';
import { format, median, table } from './numbers.ts';
import { testTokens } from '../../test/support/tokens.ts';

/** Texts that differ in a literal share a shape; those that differ in an alias share nothing. */
const statements: readonly {
  readonly name: string;
  readonly text: (literal: number, alias: number) => string;
  readonly goalUs: number | null;
}[] = [
  { name: 'key lookup', text: (n, a) => `SELECT name, ssn AS a${100_000 + a} FROM patients WHERE id = ${100_000 + n}`, goalUs: null },
  {
    name: 'join with aggregates',
    text: (n, a) =>
      `SELECT c.name AS a${100_000 + a}, p.sex, count(*) AS visits, sum(e.cost) AS cost, max(lower(p.name)) AS last FROM patients p JOIN encounters e ON e.patient_id = p.id JOIN clinics c ON c.id = p.clinic_id WHERE e.cost > ${100_000 + n} AND c.region = 'north' AND p.dob < '1980-01-01' GROUP BY c.name, p.sex ORDER BY cost DESC LIMIT 20`,
    goalUs: 1000,
  },
  {
    name: 'report of common table expressions',
    text: (n, a) => {
      const step = (index: number): string =>
        `s${index} AS (SELECT p.clinic_id, count(DISTINCT p.id) AS patients, avg(e.cost) AS cost FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id WHERE p.dob BETWEEN '19${50 + index}-01-01' AND '19${51 + index}-12-31' AND e.cost > ${100_000 + n} AND p.sex IN ('f', 'm') GROUP BY p.clinic_id)`;
      const steps = [0, 1, 2, 3, 4, 5].map(step).join(', ');
      const joins = [1, 2, 3, 4, 5].map((index) => `LEFT JOIN s${index} ON s${index}.clinic_id = c.id`).join(' ');
      return `WITH ${steps} SELECT c.name AS a${100_000 + a}, s0.patients, s0.cost FROM clinics c JOIN s0 ON s0.clinic_id = c.id ${joins} ORDER BY c.name`;
    },
    goalUs: null,
  },
];

const masks: MaskSet = { id: 'bench', byClass: {} };
const sessionObjects = new LiveObjects();

export async function planning(options: BenchOptions): Promise<Section[]> {
  const rules = ['mrn', 'name', 'ssn', 'dob'].map((column) => ({ class: `phi.${column}`, pattern: `public.patients.${column}` }));
  const policy = { version: 'bench', classRules: rules, safeFunctions: new Set<string>() };
  const planner = new Planner({
    engine: { plan, protect: (snapshot, columns, safe, parse, bound) => protect(snapshot, columns, parse, lineage, safe, bound) },
    parser,
    policy: () => policy,
    catalogue: () => catalogue,
    searchPath: ['public'],
    tokens: testTokens,
    maxCachedTexts: 2000,
  });
  const msEach = (options.seconds * 1000) / 2;
  let serial = 0;
  const found = statements.map(({ name, text, goalUs }) => {
    const sample = text(0, 0);
    const planned = planner.plan(sample, masks, sessionObjects);
    if (planned.plan.forward === null) throw new Error(`${name} is refused: ${JSON.stringify(planned.plan.facts.unknowns)}`);
    const missUs = timed(msEach, 20, () => planner.plan(text(0, ++serial), masks, sessionObjects));
    planner.plan(sample, masks, sessionObjects);
    const shapeUs = timed(msEach / 2, 200, () => planner.plan(text(++serial, 0), masks, sessionObjects));
    planner.plan(sample, masks, sessionObjects);
    const hitUs = timed(msEach / 2, 2000, () => planner.plan(sample, masks, sessionObjects));
    options.say(`${name}: miss ${missUs.toFixed(0)} us, shape ${shapeUs.toFixed(1)} us, hit ${hitUs.toFixed(2)} us`);
    return { name, bytes: sample.length, missUs, shapeUs, hitUs, goalUs };
  });
  const rows = found.map(({ name, bytes, missUs, shapeUs, hitUs, goalUs }) => [
    name,
    String(bytes),
    format(missUs, 0),
    goalUs === null ? '-' : `< ${goalUs}`,
    format((missUs / bytes) * 1000, 0),
    format(shapeUs, 1),
    format(hitUs),
    '< 2',
  ]);
  const head = ['statement', 'bytes', 'miss us', 'goal', 'miss us per 1,000 bytes', 'known shape us', 'hit us', 'goal'];
  return [{ title: 'Planning, in process', body: table(head, rows), data: found }];
}

/** Median over batches of the microseconds of one call. */
function timed(durationMs: number, batch: number, call: () => void): number {
  for (let warm = 0; warm < batch * 5; warm += 1) call();
  const batches: number[] = [];
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs) {
    const startedMs = performance.now();
    for (let index = 0; index < batch; index += 1) call();
    batches.push(((performance.now() - startedMs) / batch) * 1000);
  }
  return median(batches) ?? 0;
}
