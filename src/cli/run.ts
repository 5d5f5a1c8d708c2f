// What every command gets: where to print, a signal that Ctrl-C fires, and a connected client when it asks for one.

import type { Command } from 'commander';
import type { ApiClient } from './client.ts';
import type { ConnectionOptions } from './connection.ts';
import { connect } from './connection.ts';
import type { EvidenceTools, LogVerifier, Unsealer } from './ports.ts';
import type { CliIo } from './io.ts';
import { Output } from './output.ts';

export interface Run {
  readonly io: CliIo;
  readonly out: Output;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly api: () => Promise<ApiClient>;
}

export interface CommandSetting {
  readonly io: CliIo;
  readonly unseal: Unsealer;
  readonly verifyLog: LogVerifier;
  readonly evidence: EvidenceTools;
  readonly signal: AbortSignal;
  /** Sets the exit code of a command that did its work and has bad news. */
  exitWith(code: number): void;
}

export function runOf(command: Command, setting: CommandSetting): Run {
  const options = command.optsWithGlobals<ConnectionOptions & { json?: true }>();
  return {
    io: setting.io,
    out: new Output(setting.io, options.json === true),
    signal: setting.signal,
    api: () => connect(options, setting.io, setting.signal),
  };
}

/** Adds an `Examples` section to the help of a command. */
export function withExamples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}
