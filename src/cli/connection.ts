// Where the API is and with which token. A token is never an argument: argv is readable by every process of the
// machine. It comes from SALLYPORT_TOKEN, a file, or a command that prints it.

import { spawn } from 'node:child_process';
import { Secret } from '../core/secret.ts';
import { ApiClient } from './client.ts';
import { CliFailure, EXIT, usageFailure } from './failure.ts';
import type { CliIo } from './io.ts';

export interface ConnectionOptions {
  readonly api?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
  readonly tokenCommand?: string;
}

const MAX_TOKEN_COMMAND_MS = 60_000;

/** @throws CliFailure naming what is missing and how to give it */
export async function connect(options: ConnectionOptions, io: CliIo, signal: AbortSignal): Promise<ApiClient> {
  const address = options.api ?? io.env['SALLYPORT_API'];
  if (address === undefined || address === '') {
    throw usageFailure('no API address', 'Give --api URL or set SALLYPORT_API, for example https://gateway.example.com:8443.');
  }
  const url = URL.parse(address);
  if (url === null) throw usageFailure(`${address} is not a URL`, 'Write it with its scheme: https://gateway.example.com:8443');
  const caFile = options.ca ?? io.env['SALLYPORT_CA'];
  const ca = caFile === undefined || caFile === '' ? null : await readNamed(io, caFile, 'the CA file');
  return new ApiClient({ url, ca, token: await readToken(options, io, signal), signal });
}

async function readToken(options: ConnectionOptions, io: CliIo, signal: AbortSignal): Promise<Secret> {
  const { tokenFile, tokenCommand } = options;
  if (tokenFile !== undefined && tokenCommand !== undefined) {
    throw usageFailure('--token-file and --token-command exclude each other', 'Give one of them.');
  }
  const fromEnvironment = io.env['SALLYPORT_TOKEN'];
  let text: string;
  if (tokenFile !== undefined) text = await readNamed(io, tokenFile, 'the token file');
  else if (tokenCommand !== undefined) text = await runTokenCommand(tokenCommand, signal);
  else if (fromEnvironment !== undefined && fromEnvironment !== '') text = fromEnvironment;
  else {
    throw usageFailure(
      'no token',
      'Set SALLYPORT_TOKEN, or give --token-file FILE or --token-command COMMAND. Tokens are not accepted as arguments.',
    );
  }
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw usageFailure('the token is empty or not one word', 'Check what the file or command holds.');
  return new Secret(token);
}

async function readNamed(io: CliIo, path: string, what: string): Promise<string> {
  try {
    return await io.readText(path);
  } catch (cause) {
    throw new CliFailure({
      exitCode: EXIT.usage,
      code: 'SP_CLI_USAGE',
      what: `${what} cannot be read`,
      why: cause instanceof Error ? cause.message : null,
      next: 'Check the path and its permissions.',
      cause,
    });
  }
}

/** Runs the command in a shell; its standard output is the token, its standard error is the user's to see. */
function runTokenCommand(command: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void =>
      reject(
        new CliFailure({
          exitCode: EXIT.usage,
          code: 'SP_CLI_USAGE',
          what: 'the token command failed',
          why,
          next: 'Run it by hand: it must print the token and nothing else.',
          cause,
        }),
      );
    const child = spawn(command, { shell: true, stdio: ['inherit', 'pipe', 'inherit'], signal, timeout: MAX_TOKEN_COMMAND_MS });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.once('error', (error) => (signal.aborted ? reject(error) : failed(error.message, error)));
    child.once('close', (code, killedBy) => (code === 0 ? resolve(output) : failed(`it ended with ${code ?? killedBy}`)));
  });
}
