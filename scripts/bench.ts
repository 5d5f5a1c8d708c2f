// Measures the gateway next to the bare server, PgBouncer and a relay that understands nothing: `npm run bench`.
// docs/performance.md says what is measured and how to read it; `node scripts/bench.ts --help` how to call it.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { bulk } from './bench/bulk.ts';
import { connect } from './bench/connect.ts';
import { held, heldLab } from './bench/held.ts';
import { idle, idleLab } from './bench/idle.ts';
import { type BenchOptions, fdatasyncUs, Lab, type LabOptions, type Section } from './bench/lab.ts';
import { describeMachine } from './bench/machine.ts';
import { oltp } from './bench/oltp.ts';
import { other } from './bench/others.ts';
import { planning } from './bench/planning.ts';
import { up } from './bench/up.ts';
import { readCommandLine } from './command-line.ts';

const help = `usage: node scripts/bench.ts [suite ...] [options]

Suites; without one all run, one after the other, which takes about half an hour:
  oltp       short statements through every target, and pgbench's TPC-B
  bulk       large SELECTs and COPYs, masked and unmasked, and a slow reader
  connect    new sessions per second
  idle       memory per idle session
  planning   microseconds to understand a statement, cached and not
  held       memory and release of statements that wait for approval
  audit      the audit log alone
  policy     policy decisions alone
  up         starts everything, prints how to reach it, and waits for Ctrl-C

Options:
  --clients 1,8,32,256   numbers of clients (oltp)
  --loads LIST           of simple,extended,prepared,steady,tpcb (oltp)
  --targets LIST         of direct,pgbouncer,relay,buffered,durable; default all (oltp, bulk, connect, up)
  --seconds 4            of each measurement
  --rounds 3             medians are over so many, interleaved over the targets
  --scale 10             of pgbench: 100,000 accounts each
  --rows 1000000         of each bulk table
  --sessions 500         idle sessions
  --held 2000            statements that wait
  --quiet 5              seconds to wait for an idle machine before a measurement; a minute in all at most
  --profile DIR          CPU profiles of the gateways, and tables of where the time of each load went (oltp)
  --json                 JSON instead of Markdown on standard output; progress is on standard error

Examples:
  node scripts/bench.ts oltp --seconds 3 --rounds 1 --clients 1,8 --scale 1
  node scripts/bench.ts oltp --targets relay,buffered --loads extended --clients 8 --profile /tmp/profile
  node scripts/bench.ts bulk --rows 200000 --rounds 1
  node scripts/bench.ts --json > results.json

Needs Linux, and Debian's postgresql, postgresql-client and pgbouncer: as root they are installed when missing.
`;

type Suite = (options: BenchOptions) => Promise<Section[]>;

const suites: Readonly<Record<string, Suite>> = {
  oltp: inLab(oltp),
  bulk: inLab(bulk),
  connect: inLab(connect),
  idle: inLab(idle, () => idleLab),
  planning,
  held: inLab(held, (options) => heldLab(options.held)),
  audit: (options) => other('audit', options),
  policy: (options) => other('policy', options),
};

let openLab: Lab | null = null;

function inLab(suite: (lab: Lab) => Promise<Section[]>, labOptions: (options: BenchOptions) => LabOptions = () => ({})): Suite {
  return async (options) => {
    const lab = await Lab.open(options, labOptions(options));
    openLab = lab;
    try {
      return await suite(lab);
    } finally {
      openLab = null;
      await lab.close();
    }
  };
}

/** @throws Error that names the option */
function numbers(name: string, text: string, least: number): number[] {
  const list = text.split(',').map(Number);
  if (list.some((value) => !Number.isFinite(value) || value < least))
    throw new Error(`--${name}: expected numbers from ${least} on, not ${text}`);
  return list;
}

/** @throws Error that names the option */
function words(name: string, text: string, known: readonly string[]): string[] {
  const list = text === '' ? [] : text.split(',');
  const unknown = list.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`--${name}: ${unknown} is none of ${known.join(', ')}`);
  return list;
}

function readArguments(): { readonly chosen: readonly Suite[]; readonly options: BenchOptions; readonly isJson: boolean } {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values, positionals } = readCommandLine(help, {
    allowPositionals: true,
    options: {
      clients: text('1,8,32,256'),
      loads: text('simple,extended,prepared,steady,tpcb'),
      targets: text(''),
      seconds: text('4'),
      rounds: text('3'),
      scale: text('10'),
      rows: text('1000000'),
      sessions: text('500'),
      held: text('2000'),
      quiet: text('5'),
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const one = (name: 'seconds' | 'rounds' | 'scale' | 'rows' | 'sessions' | 'held' | 'quiet', least: number): number =>
    numbers(name, values[name], least)[0] ?? least;
  const known: Readonly<Record<string, Suite>> = { ...suites, up: inLab(up) };
  const chosen = (positionals.length === 0 ? Object.keys(suites) : positionals).map((name) => {
    const suite = Object.hasOwn(known, name) ? known[name] : undefined;
    if (suite === undefined) throw new Error(`${name} is no suite: expected ${Object.keys(known).join(', ')}`);
    return suite;
  });
  const profileDirectory = values.profile === undefined ? null : resolve(values.profile);
  return {
    chosen,
    isJson: values.json,
    options: {
      clients: numbers('clients', values.clients, 1),
      loads: words('loads', values.loads, ['simple', 'extended', 'prepared', 'steady', 'tpcb']),
      targets: words('targets', values.targets, ['direct', 'pgbouncer', 'relay', 'buffered', 'durable']),
      seconds: one('seconds', 1),
      rounds: one('rounds', 1),
      scale: one('scale', 1),
      rows: one('rows', 0),
      sessions: one('sessions', 1),
      held: one('held', 1),
      quietMs: one('quiet', 0) * 1000,
      profileDirectory,
      say: (line) => console.error(line),
    },
  };
}

async function main(): Promise<void> {
  const { chosen, options, isJson } = readArguments();
  if (options.profileDirectory !== null) mkdirSync(options.profileDirectory, { recursive: true });
  const machine = { machine: describeMachine(), at: new Date().toISOString(), fdatasyncUs: Math.round(fdatasyncUs()) };
  const sync = `one write and fdatasync of 600 bytes takes ${machine.fdatasyncUs.toLocaleString('en-US')} us`;
  if (!isJson) console.log(`${machine.at}; ${machine.machine}; ${sync}; ${options.rounds} rounds of ${options.seconds} s, medians.`);
  const sections: Section[] = [];
  for (const suite of chosen) {
    const found = await suite(options);
    sections.push(...found);
    if (!isJson) for (const { title, body } of found) console.log(`\n### ${title}\n\n${body}`);
  }
  if (isJson) console.log(JSON.stringify({ ...machine, options, sections: sections.map(({ title, data }) => ({ title, data })) }, null, 1));
}

let isEnding = false;

/** The first Ctrl-C ends every process we started and removes their files, the second only kills. */
function onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
  const code = signal === 'SIGINT' ? 130 : 143;
  if (isEnding || openLab === null) process.exit(code);
  isEnding = true;
  console.error('ending; once more to kill');
  void openLab.close().finally(() => process.exit(code));
}

process.on('SIGINT', () => onSignal('SIGINT'));
process.on('SIGTERM', () => onSignal('SIGTERM'));

await main().catch((fault: unknown) => {
  // A measurement that is interrupted fails in its own way; the signal's exit code is the one that counts.
  if (isEnding) return new Promise(() => undefined);
  console.error(`error: ${fault instanceof Error ? fault.message : String(fault)}`);
  process.exitCode = 1;
});
