// `sallyport audit`: verify a log directory offline, follow the log of a running gateway.

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { encodeSigningKey, isNoteName, noteSigner } from '../../audit/tlog/index.ts';
import type { EntryAnswer } from '../answers.ts';
import { actorText, entriesAnswer, reindexAnswer } from '../answers.ts';
import { logIndex } from '../arguments.ts';
import { CliFailure, EXIT, usageFailure } from '../failure.ts';
import type { Output } from '../output.ts';
import { printable } from '../output.ts';
import { reportProgress } from '../policy-output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { writeNew } from './init.ts';

const FOLLOW_MS = 1000;
const PAGE = 500;

/** @returns the command `audit`. */
export function auditCommands(program: Command, setting: CommandSetting): Command {
  const audit = program.command('audit').description('the transparency log of everything that passed the gate');

  withExamples(
    audit
      .command('verify <directory>')
      .description('verify a log directory offline: signature, tree, every entry')
      .requiredOption('--key <vkey>', 'verifier key of the log, or a file that holds it')
      .action(async (directory: string, options: { key: string }, command: Command) => {
        const { io, out, signal } = runOf(command, setting);
        const vkey = options.key.includes('+') ? options.key : await readKey(io.readText, options.key);
        let shown = -1;
        const result = await setting.verifyLog(directory, {
          vkey: vkey.trim(),
          signal,
          onProgress: (done, total) => {
            const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
            if (out.isJson || !io.stderr.isTTY || percent === shown) return;
            shown = percent;
            io.stderr.write(`\r${percent}% of ${total} entries${percent === 100 ? '\n' : ''}`);
          },
        });
        if (!result.ok) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(result);
        out.facts([
          ['origin', result.origin ?? '-'],
          [
            'entries',
            `${result.entries.checked} of ${result.size} checked${result.firstIndex > 0 ? `; those before ${result.firstIndex} were pruned` : ''}`,
          ],
          ['from', result.entries.firstTs ?? '-'],
          ['to', result.entries.lastTs ?? '-'],
          ['sealed', `${result.payloads.present} of ${result.payloads.named} payloads present`],
          ['root', result.root ?? '-'],
        ]);
        for (const { code, index, what } of result.problems) {
          out.line(`${out.colors.red(code)}  ${printable(index === null ? what : `entry ${index}: ${what}`)}`);
        }
        if (result.problemCount > result.problems.length) out.line(`and ${result.problemCount - result.problems.length} more`);
        if (result.ok) {
          out.line(out.colors.green('the log is whole and signed'));
          out.note('proven: no entry up to this checkpoint was changed, removed or reordered. Not proven: what never passed the gate.');
        } else out.line(out.colors.red('the log does NOT verify'));
      }),
    ['sallyport audit verify ./data/log --key ./data/log/log.vkey', 'sallyport audit verify ./data/log --key "$(cat log.vkey)" --json'],
  );

  withExamples(
    audit
      .command('new-key <file>')
      .description('make a signing key for a log; its public key goes to <file>.vkey')
      .requiredOption('--origin <name>', 'audit.origin of the log; it never changes')
      .action(async (file: string, { origin }: { origin: string }, command: Command) => {
        const { out } = runOf(command, setting);
        if (!isNoteName(origin)) throw usageFailure('the origin has white space or a plus sign', 'Give audit.origin of the configuration.');
        const seed = randomBytes(32);
        const { vkey } = noteSigner(origin, seed);
        const written = [
          { path: file, text: `${encodeSigningKey(origin, seed)}\n`, isSecret: true },
          { path: `${file}.vkey`, text: `${vkey}\n`, isSecret: false },
        ];
        for (const [at, one] of written.entries()) {
          await writeNew('', one).catch(async (cause: NodeJS.ErrnoException) => {
            // A key without its public half is of no use to anybody.
            if (at > 0) await rm(file);
            throw usageFailure(`${one.path} cannot be written (${cause.code ?? 'fault'})`, 'Nothing is overwritten. Give another file.');
          });
        }
        if (out.isJson) return out.json({ file, verifierKey: vkey });
        out.line(`verifier key: ${vkey}`);
        out.note('to change the key of a log: make it audit.signingKey, the old one audit.retiringKey, and restart the gateway.');
      }),
    ['sallyport audit new-key keys/log-2027.key --origin sallyport.example.com/main'],
  );

  withExamples(
    audit
      .command('reindex')
      .description('build the index of sessions anew from the log of a running gateway (operators)')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).work('/v1/audit/reindex', {}, reportProgress(out), reindexAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`the index of sessions was built from ${value.entries} entries`);
      }),
    ['sallyport audit reindex', 'sallyport audit reindex --json'],
  );

  withExamples(
    audit
      .command('tail')
      .description('print new entries as they are written (auditors); Ctrl-C ends it')
      .option('--from <index>', 'start at this log index (default: the last 20 entries)', logIndex)
      .option('--no-follow', 'stop at the end of the log')
      .action(async (options: { from?: number; follow: boolean }, command: Command) => {
        const { io, out, signal, api } = runOf(command, setting);
        const client = await api();
        let from = options.from ?? Math.max(0, (await client.get('/v1/audit/entries', { limit: 1 }, entriesAnswer)).value.size - 20);
        let seen = 0;
        for (;;) {
          const { value } = await client.get('/v1/audit/entries', { from, limit: PAGE }, entriesAnswer);
          for (const entry of value.entries) {
            if (out.isJson) out.jsonLine(entry);
            else out.line(entryLine(out, entry));
          }
          if (value.size < seen) throw rolledBack(seen, value.size);
          seen = value.size;
          from = value.next;
          if (from < value.size) continue;
          if (!options.follow) return;
          await io.sleep(FOLLOW_MS, signal);
        }
      }),
    ['sallyport audit tail', 'sallyport audit tail --from 0 --no-follow --json > entries.ndjson'],
  );
  return audit;
}

function rolledBack(seen: number, size: number): CliFailure {
  return new CliFailure({
    exitCode: EXIT.failed,
    code: 'SP_AUDIT_CORRUPT',
    what: 'the log is shorter than it was',
    why: `${seen} entries were there, now there are ${size}`,
    next: 'Tell the operator and verify the log directory: sallyport audit verify.',
  });
}

async function readKey(readText: (path: string) => Promise<string>, path: string): Promise<string> {
  try {
    return await readText(path);
  } catch {
    throw usageFailure(`${path} is neither a verifier key nor a file with one`, 'Give name+id+base64, or the path of log.vkey.');
  }
}

/** One entry on one line: `12  09:00:01.123Z  request.result  corp/agent-1  ...`. */
export function entryLine(out: Output, entry: EntryAnswer): string {
  const parts = [
    String(entry.seq).padStart(7),
    entry.ts.slice(0, 24),
    entry.type.padEnd(18),
    entry.principal === undefined ? '' : actorText(entry.principal),
    entry.decision ?? '',
    (entry.rules ?? []).join(','),
    entry.result === undefined ? '' : `${entry.result.rows} rows ${entry.result.code} ${entry.result.ms} ms`,
    entry.answer === undefined ? '' : `${entry.answer.verdict} by ${actorText(entry.answer.by)}`,
    detailText(entry.detail),
    entry.statement?.normalised ?? '',
  ];
  const text = printable(parts.filter((part) => part !== '').join('  '));
  if (entry.decision === 'deny' || entry.type === 'alarm' || entry.type === 'auth.fail') return out.colors.red(text);
  return entry.decision === 'hold' ? out.colors.yellow(text) : text;
}

function detailText(detail: EntryAnswer['detail']): string {
  return Object.entries(detail ?? {})
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(' ');
}
