// The non-interference campaign at length: generated statements through a fresh gateway before two databases that differ
// in protected values only; every byte must be equal.
// Ends with 1 on any difference. `--help` says how to call it.

import { createParser } from '../src/sql/parser.ts';
import { corpusFiles } from '../test/bypass/cases.ts';
import { debianPostgres, startDebian, startEmbedded } from '../test/bypass/worlds.ts';
import { Campaign, unitOf } from '../test/noninterference/campaign.ts';
import { Mutator } from '../test/noninterference/mutate.ts';
import { caseOf, refusals, summary } from '../test/noninterference/report.ts';
import { readPairsPolicy, startPairs } from '../test/noninterference/worlds.ts';
import { readCommandLine } from './command-line.ts';

const help = `usage: npm run bypass:long -- [options]

Generated statements through a fresh gateway before two databases that differ in protected values only; every byte must be equal.
Ctrl-C ends with the summary.

  --statements 1000000       how many
  --minutes M                or for how long
  --seed S                   default a random one, which is printed
  --from UNIT                goes on where a summary ended
  --lanes 4                  pairs of sessions at once
  --server debian|embedded   default Debian's PostgreSQL when installed, else the embedded one
  --refusals                 also what was refused, and what differs without protection
  --show UNIT                prints one unit and ends
`;

const { values } = readCommandLine(help, {
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
  const deps = { pairs, parser, mutator: new Mutator(parser, pairs.catalogue, corpusFiles()), nowMs: () => performance.now() };
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
