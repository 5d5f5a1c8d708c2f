// The non-interference campaign at length: generated statements through a fresh gateway before two databases that differ
// in protected values only; every byte must be equal.
//   node scripts/bypass-long.ts [--statements N] [--minutes M] [--seed S] [--from UNIT] [--lanes N]
//                               [--server debian|embedded] [--refusals] [--show UNIT]
// `--from` goes on where a summary ended; `--show` prints one unit and ends. Ctrl-C ends with the summary.
// Ends with 1 on any difference.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createParser } from '../src/sql/parser.ts';
import { corpusDirectory } from '../test/bypass/cases.ts';
import { debianPostgres, startDebian, startEmbedded } from '../test/bypass/worlds.ts';
import { Campaign, unitOf } from '../test/noninterference/campaign.ts';
import { Mutator } from '../test/noninterference/mutate.ts';
import { caseOf, refusals, summary } from '../test/noninterference/report.ts';
import { readPairsPolicy, startPairs } from '../test/noninterference/worlds.ts';

const { values } = parseArgs({
  options: {
    statements: { type: 'string', default: '1000000' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
    lanes: { type: 'string', default: '4' },
    server: { type: 'string' },
    refusals: { type: 'boolean', default: false },
    show: { type: 'string' },
  },
});

const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const stopped = new AbortController();
process.once('SIGINT', () => stopped.abort());
if (values.minutes !== undefined) setTimeout(() => stopped.abort(), Number(values.minutes) * 60_000).unref();

const bin = values.server === 'embedded' ? null : debianPostgres();
const server = bin === null ? await startEmbedded() : await startDebian(bin);
try {
  const pairs = await startPairs(server, readPairsPolicy(), Number(values.lanes));
  const parser = await createParser();
  const files = ['cases.json', 'cases-own.json'].map((file) => join(corpusDirectory, file));
  const deps = { pairs, parser, mutator: new Mutator(parser, pairs.catalogue, files), nowMs: () => performance.now() };
  if (values.show === undefined) {
    console.log(`${server.title}; seed ${seed}, from unit ${values.from}`);
    let shownMs = performance.now();
    const tally = await new Campaign(deps, {
      seed,
      from: Number(values.from),
      statements: Number(values.statements),
      bareShare: 0.01,
      signal: stopped.signal,
      onFinding: (finding) => console.log(`DIFFERENCE ${JSON.stringify(caseOf(finding, seed), null, 1)}`),
      onProgress: ({ statements, elapsedMs, findings, nextUnit }) => {
        if (performance.now() - shownMs < 10_000) return;
        shownMs = performance.now();
        console.log(
          `${statements} statements, ${Math.round((statements / elapsedMs) * 1000)}/s, ${findings.length} differences, next unit ${nextUnit}`,
        );
      },
    }).run();
    console.log(summary(tally));
    if (values.refusals) for (const steps of tally.noise) console.log(`noise: ${JSON.stringify(steps)}`);
    for (const steps of tally.unconfirmed) console.log(`did not come again: ${JSON.stringify(steps)}`);
    if (values.refusals) console.log(refusals(tally, 60));
    process.exitCode = tally.findings.length === 0 ? 0 : 1;
  } else console.log(JSON.stringify(unitOf(seed, Number(values.show), deps), null, 1));
  await pairs.stop();
} finally {
  await server.stop();
}
