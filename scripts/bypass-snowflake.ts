// Red team of Snowflake targets: the corpus through a fresh gateway before fake accounts. Ends with 1 on any leak, distinguishable pair,
// difference between the worlds, or loss of usability. `--help` says how to call it.

import { type Case, corpusCases } from '../test/snowflake/corpus/cases.ts';
import { CorpusRunner, type Verdict } from '../test/snowflake/run-corpus.ts';
import { startWorlds } from '../test/snowflake/worlds.ts';
import { readCommandLine } from './command-line.ts';

const help = `usage: npm run bypass:snowflake -- [options]

  --only ID,ID        these cases
  --category NAME     the cases of one category
  --raw               proves the cases on the bare accounts instead: every leak must leak, every oracle must tell
  --json              all verdicts, as JSON
  --verbose           also what passed
`;

const { values } = readCommandLine(help, {
  options: {
    only: { type: 'string' },
    category: { type: 'string' },
    raw: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const only = values.only === undefined ? null : new Set(values.only.split(','));
const isWanted = (each: Case): boolean =>
  only === null ? values.category === undefined || each.category === values.category : only.has(each.id);
const cases = corpusCases().filter(isWanted);
const worlds = await startWorlds(!values.raw);
const verdicts: (Verdict & { readonly hard: string | null })[] = [];
const startedMs = performance.now();
try {
  const runner = await CorpusRunner.make(worlds.first, worlds.twin, cases);
  await runner.runAll(cases, values.raw ? 'prove' : 'attack', (verdict, { hard = null }) => {
    verdicts.push({ ...verdict, hard });
    if (values.json || (verdict.faults.length === 0 && !values.verbose)) return;
    const mark = verdict.faults.length === 0 ? 'ok  ' : hard === null ? 'FAIL' : 'hard';
    console.log(
      `${mark} ${verdict.category}/${verdict.id}: ${verdict.outcome}${verdict.faults.map((fault) => `\n       ${fault}`).join('')}`,
    );
  });
} finally {
  await worlds.stop();
}
const failed = verdicts.filter(({ faults, hard }) => faults.length > 0 && hard === null);
if (values.json) console.log(JSON.stringify(verdicts, null, 1));
else {
  const ordinary = cases.filter(({ expect }) => expect === 'clean').length;
  console.log(
    `${cases.length - ordinary} attacks, ${ordinary} ordinary statements, ${failed.length} failed, ${Math.round((performance.now() - startedMs) / 1000)} s`,
  );
}
process.exitCode = failed.length === 0 ? 0 : 1;
