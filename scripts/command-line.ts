// Command lines of the scripts: `--help` prints and ends, a wrong option says what is wrong and ends with 2.

import { type ParseArgsConfig, parseArgs } from 'node:util';

type Parsed<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>>;

/** @param help shown by `--help`, and named after a wrong option */
export function readCommandLine<T extends ParseArgsConfig>(help: string, config: T): Parsed<T> {
  if (process.argv.includes('--help')) {
    process.stdout.write(help);
    process.exit();
  }
  try {
    return parseArgs(config);
  } catch (fault) {
    return wrongUsage(fault instanceof Error ? fault.message : String(fault));
  }
}

export function wrongUsage(message: string): never {
  process.stderr.write(`error: ${message}\n  next: --help says how to call it\n`);
  process.exit(2);
}
