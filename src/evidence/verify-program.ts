// verify.mjs: the verifier as a programme of its own, in one file that needs nothing but Node. It lies in every bundle.
// Usage: node verify.mjs <dir|zip> [--key VKEY|FILE] [--checkpoint FILE]... [--witness VKEY]... [--json]

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import { serveHashing } from './hash-serving.ts';
import type { VerdictLine } from './verdict.ts';
import { describeVerdict } from './verdict.ts';
import { verifyBundle } from './verify-bundle.ts';
import { visible } from './words.ts';

const USAGE = `Verifies an evidence bundle offline.

Usage: node verify.mjs <folder or zip> [options]

  --key VKEY|FILE      public key of the log, which you were given by another way than the bundle
  --checkpoint FILE    a checkpoint of this log that you kept; repeatable
  --witness VKEY       key of a witness whose cosignatures count; repeatable
  --json               verdict as JSON
  --help               this text

Exit codes: 0 the evidence holds, 1 it does not, 2 wrong usage.
`;
const COLOURS: Readonly<Record<VerdictLine['tone'], string>> = { plain: '', good: '32', bad: '31', warn: '1;33' };

// Its hashing thread is the same file.
if (isMainThread) process.exitCode = await main(process.argv.slice(2));
else if (parentPort !== null) await serveHashing(parentPort, workerData);

async function main(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        key: { type: 'string' },
        checkpoint: { type: 'string', multiple: true },
        witness: { type: 'string', multiple: true },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    const [bundle] = positionals;
    if (values.help === true || bundle === undefined || positionals.length > 1) {
      (values.help === true ? process.stdout : process.stderr).write(USAGE);
      return values.help === true ? 0 : 2;
    }
    const verdict = await verifyBundle(bundle, {
      vkey: values.key === undefined ? null : values.key.includes('+') ? values.key : readFileSync(values.key, 'utf8'),
      checkpoints: (values.checkpoint ?? []).map((file) => readFileSync(file, 'utf8')),
      witnesses: values.witness ?? [],
      onProgress: progress(),
    });
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    if (values.json === true) process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
    // Texts come from a bundle: nothing in them controls the terminal.
    else for (const { tone, text } of describeVerdict(verdict)) process.stdout.write(`${coloured(visible(text), tone)}\n`);
    return verdict.ok ? 0 : 1;
  } catch (fault) {
    const isUsage = fault instanceof SallyportError || (fault instanceof Error && 'code' in fault);
    if (!isUsage) throw fault;
    const isOurs = fault instanceof SallyportError && fault.code === 'SP_INTERNAL';
    process.stderr.write(`error: ${visible(fault.message)}\n${isOurs ? '' : '(add --help for usage)\n'}`);
    return isOurs ? 1 : 2;
  }
}

/** A line that is written over on a terminal; elsewhere one for each tenth. */
function progress(): (step: string, done: number, total: number) => void {
  // Two steps may go on at once.
  const steps = new Map<string, number>();
  return (step, done, total) => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const shown = process.stderr.isTTY ? percent : percent - (percent % 10);
    if (steps.get(step) === shown) return;
    steps.set(step, shown);
    const all = [...steps].map(([name, part]) => `${name} ${part}%`).join(', ');
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${all}` : `${all}\n`);
  };
}

function coloured(text: string, tone: VerdictLine['tone']): string {
  const colour = COLOURS[tone];
  const mayColour = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  return colour !== '' && mayColour ? `\u001b[${colour}m${text}\u001b[0m` : text;
}
