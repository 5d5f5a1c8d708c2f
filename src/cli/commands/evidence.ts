// `sallyport evidence`: make a bundle for an auditor, and verify one without the gateway.

import type { Command } from 'commander';
import { moment, namedPrincipal } from '../arguments.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { Output } from '../output.ts';
import { printable } from '../output.ts';
import type { CliIo } from '../io.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

interface ExportOptions {
  readonly from: string;
  readonly to: string;
  readonly output: string;
  readonly principal?: { readonly issuer: string; readonly subject: string };
  readonly target?: string;
  readonly offline: boolean;
  readonly config: string;
}

interface VerifyOptions {
  readonly key?: string;
  readonly checkpoint: readonly string[];
  readonly witness: readonly string[];
}

export function evidenceCommands(program: Command, setting: CommandSetting): void {
  const evidence = program.command('evidence').description('evidence bundles: what an auditor can verify without this gateway');

  withExamples(
    evidence
      .command('export')
      .description('make a bundle of a time range (auditors; or --offline from the data directory)')
      .requiredOption('--from <time>', 'how long ago, or a time', (text) => moment(text))
      .requiredOption('--to <time>', 'the same; exclusive', (text) => moment(text))
      .requiredOption('-o, --output <path>', 'a new folder, or a new archive when it ends in .zip')
      .option('--principal <issuer/subject>', 'records and report of this principal only; the log part stays whole', namedPrincipal)
      .option('--target <name>', 'records and report of this target only; the log part stays whole')
      .option('--offline', 'read the data directory of a configuration instead of asking a gateway; leaves no entry', false)
      .option('-c, --config <file>', 'configuration, with --offline', 'sallyport.yaml')
      .action(async (options: ExportOptions, command: Command) => {
        const { io, out, signal, api } = runOf(command, setting);
        const { from, to, output, principal = null, target = null } = options;
        if (from >= to) throw usageFailure('the range ends before it begins', 'Give a --to that is after --from.');
        const progress = progressOn(io, out);
        if (options.offline) {
          const request = { from, to, principal, target };
          const onProgress = (done: number, total: number): void => progress('entries', done, total);
          const made = await setting.evidence.exportOffline({ config: options.config, output, request, onProgress, signal });
          progress.end();
          if (made.policiesMissing > 0)
            out.note(`the text of ${made.policiesMissing} policy versions is not in the store: the bundle says so`);
          if (out.isJson) return out.json({ output, ...made });
          return out.line(`${made.entries} entries, ${made.files} files in ${printable(output)}`);
        }
        const client = await api();
        const query = { from, to, issuer: principal?.issuer, subject: principal?.subject, target: target ?? undefined };
        await setting.evidence.save(output, client.download('/v1/evidence/export', query));
        if (out.isJson) return out.json({ output });
        out.line(`the bundle is in ${printable(output)}`);
        out.note('verify it: sallyport evidence verify, with the key that you were given before');
      }),
    [
      'sallyport evidence export --from 2026-10-01 --to 2026-11-01 -o october.zip',
      'sallyport evidence export --from 90d --to 1m --principal corp/agent-1 -o agent-1/',
      'sallyport evidence export --offline -c /etc/sallyport/sallyport.yaml --from 2026-10-01 --to 2026-11-01 -o october/',
    ],
  );

  withExamples(
    evidence
      .command('verify <bundle>')
      .description('verify a bundle (folder or zip) offline: files, signatures, entries, and everything derived from them')
      .option('--key <vkey>', 'public key of the log that you were given before, or a file that holds it')
      .option('--checkpoint <file>', 'a checkpoint of this log that you kept; repeatable', gather, [])
      .option('--witness <vkey>', 'key of a witness whose cosignatures count; repeatable', gather, [])
      .action(async (bundle: string, options: VerifyOptions, command: Command) => {
        const { io, out, signal } = runOf(command, setting);
        const { key } = options;
        const progress = progressOn(io, out);
        const { ok, verdict, lines } = await setting.evidence.verify(bundle, {
          vkey: key === undefined ? null : key.includes('+') ? key : await readNamed(io, key),
          checkpoints: await Promise.all(options.checkpoint.map((file) => readNamed(io, file))),
          witnesses: options.witness,
          onProgress: progress,
          signal,
        });
        progress.end();
        if (!ok) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(verdict);
        const paint = { plain: String, good: out.colors.green, bad: out.colors.red, warn: out.colors.yellow };
        for (const { tone, text } of lines) out.line(paint[tone](printable(text)));
      }),
    [
      'sallyport evidence verify october.zip --key log.vkey',
      'sallyport evidence verify october/ --key "$(cat log.vkey)" --checkpoint kept-in-september.checkpoint --json',
      'node october/verify.mjs october.zip --key log.vkey      # the same without an installation',
    ],
  );
}

function gather(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

async function readNamed(io: CliIo, path: string): Promise<string> {
  try {
    return await io.readText(path);
  } catch {
    throw usageFailure(`${path} cannot be read`, 'Give the path of a file; a key may also be given as it is, name+id+base64.');
  }
}

/** A line that is written over, on a terminal only. */
function progressOn(io: CliIo, out: Output) {
  const isShown = !out.isJson && io.stderr.isTTY;
  let last = '';
  // Two steps may go on at once.
  const steps = new Map<string, number>();
  const show = (step: string, done: number, total: number): void => {
    steps.set(step, total === 0 ? 100 : Math.floor((done / total) * 100));
    const text = [...steps].map(([name, percent]) => `${name} ${percent}%`).join(', ');
    if (!isShown || text === last) return;
    last = text;
    io.stderr.write(`\r\u001b[K${text}`);
  };
  return Object.assign(show, { end: () => void (last !== '' && io.stderr.write('\r\u001b[K')) });
}
