// Red team of the masking: the bypass corpus through a fresh gateway before a fresh PostgreSQL.
// Ends with 1 on any leak, distinguishable pair, fault of the runner, or loss of usability. `--help` says how to call it.

import { basename, join } from 'node:path';
import { type Case, corpusDirectory, corpusFiles, isFor, readCases, readPolicy } from '../test/bypass/cases.ts';
import { type CaseResult, Runner } from '../test/bypass/run.ts';
import { debianPostgres, startDebian, startEmbedded, startWorlds } from '../test/bypass/worlds.ts';
import { readCommandLine, wrongUsage } from './command-line.ts';

const help = `usage: node scripts/bypass.ts [options]

  --cases FILE                a case file, as often as wanted; default all of the corpus
  --only ID,ID                these cases
  --category NAME             the cases of one category
  --policy FILE               which columns are protected
  --schema FILE --twin FILE   the two databases
  --server debian|embedded    default Debian's PostgreSQL with its contrib modules when installed, else the embedded one
  --raw                       proves the cases on the bare server instead: every leak must leak, every oracle must tell
  --verbose                   also what passed
`;

const { values } = readCommandLine(help, {
  options: {
    cases: { type: 'string', multiple: true },
    policy: { type: 'string' },
    schema: { type: 'string' },
    twin: { type: 'string' },
    only: { type: 'string' },
    category: { type: 'string' },
    server: { type: 'string' },
    raw: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

if ((values.schema === undefined) !== (values.twin === undefined)) wrongUsage('--schema and --twin belong together');

const files = values.cases ?? corpusFiles();
const policy = readPolicy(values.policy);
const only = values.only === undefined ? null : new Set(values.only.split(','));
const isWanted = (each: Case): boolean =>
  only === null ? values.category === undefined || each.category === values.category : only.has(each.id);
const cases = files.flatMap((file) => readCases(file)).filter(isWanted);

const bin = values.server === 'embedded' ? null : debianPostgres();
const server = bin === null ? await startEmbedded() : await startDebian(bin);
console.log(`${server.title} on port ${server.port}; ${files.length} files: ${files.map((file) => basename(file, '.json')).join(', ')}`);
const live = await startWorlds(server, {
  policy,
  schema: values.schema ?? join(corpusDirectory, 'schema.sql'),
  twin: values.twin ?? join(corpusDirectory, 'schema-twin.sql'),
});

try {
  const runner = new Runner(live.worlds);
  await runner.readSecrets(policy);
  const runnable = cases.filter((each) => isFor(each, live.worlds.serverVersionNum));
  const startedMs = performance.now();
  process.exitCode = values.raw ? await prove(runner, runnable) : await attack(runner, runnable);
  console.log(
    `${((performance.now() - startedMs) / 1000).toFixed(0)} s; ${cases.length - runnable.length} cases are not for this server version`,
  );
} finally {
  await live.stop();
}

/** @returns exit code */
async function prove(runner: Runner, runnable: readonly Case[]): Promise<number> {
  let failed = 0;
  for (const each of runnable) {
    const why = await runner.prove(each).catch((fault: unknown) => String(fault));
    if (why === null) continue;
    failed += 1;
    console.log('BAD'.padEnd(10), each.id.padEnd(30), why.slice(0, 200));
  }
  console.log(`${runnable.length - failed} of ${runnable.length} cases behave as described on the bare server`);
  return failed === 0 ? 0 : 1;
}

/** @returns exit code */
async function attack(runner: Runner, runnable: readonly Case[]): Promise<number> {
  const results: CaseResult[] = [];
  for (const each of runnable) {
    const result = await runner.run(each);
    results.push(result);
    if (result.verdict !== 'PASS' || values.verbose) console.log(result.verdict.padEnd(10), result.id.padEnd(30), result.why);
  }
  const adversarial = results.filter((result) => result.expect !== 'clean');
  const usability = results.filter((result) => result.expect === 'clean');
  const shouldMask = results.filter((result) => result.expect === 'masked');
  const count = (of: readonly CaseResult[], test: (result: CaseResult) => boolean): number => of.filter(test).length;
  const failed = (kind: string) => (result: CaseResult) => result.verdict === 'FAIL' && result.why.startsWith(kind);
  console.log(`
adversarial   ${adversarial.length} cases: ${count(adversarial, (r) => r.outcome === 'answered')} answered masked, ${count(adversarial, (r) => r.outcome === 'refused')} refused
  expected masked         ${shouldMask.length} cases, ${count(shouldMask, (r) => r.outcome === 'answered' && r.verdict === 'PASS')} of them answered
  leaks                   ${count(results, failed('LEAK'))}
  distinguishable pairs   ${count(results, failed('ORACLE')) + count(results, failed('TWIN'))}
  other failures          ${count(results, failed('must'))}
  documented residuals    ${count(results, (r) => r.verdict === 'RESIDUAL')}
  over-refused or damaged ${count(adversarial, (r) => r.verdict === 'USABILITY')}
  runner errors           ${count(results, (r) => r.verdict === 'ERROR')}
usability     ${usability.length} cases: ${count(usability, (r) => r.verdict === 'PASS')} byte-identical, ${count(usability, (r) => r.verdict !== 'PASS')} not`);
  return results.every((result) => result.verdict === 'PASS' || result.verdict === 'RESIDUAL') ? 0 : 1;
}
