// The command line as `app` runs it.

export type { CliIo, CliStream } from './io.ts';
export { processIo } from './io.ts';
export type * from './ports.ts';
export { runCli } from './program.ts';
