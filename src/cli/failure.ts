// A failed command as a person reads it: what failed, why, what to do next. Exit codes: 1 = it failed or was
// denied, 2 = the command line or the configuration is wrong, 130 = stopped by Ctrl-C.

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

export class CliFailure extends Error {
  readonly exitCode: 1 | 2;
  readonly code: string;
  readonly why: string | null;
  readonly next: string | null;

  constructor(facts: {
    readonly exitCode: 1 | 2;
    readonly code: string;
    readonly what: string;
    readonly why?: string | null;
    readonly next?: string | null;
    readonly cause?: unknown;
  }) {
    super(facts.what, { cause: facts.cause });
    this.name = 'CliFailure';
    this.exitCode = facts.exitCode;
    this.code = facts.code;
    this.why = facts.why ?? null;
    this.next = facts.next ?? null;
  }
}

export function usageFailure(what: string, next: string): CliFailure {
  return new CliFailure({ exitCode: EXIT.usage, code: 'SP_CLI_USAGE', what, next });
}
