// The `sallyport` program: its commands, global options and exit codes. Commands that ask the gateway speak HTTP to
// its API; what needs a service (serve, demo, unsealing, log verification) is handed in by `app`.

import { Command, CommanderError } from 'commander';
import { portNumber } from './arguments.ts';
import { approvalCommands } from './commands/approvals.ts';
import { auditCommands } from './commands/audit.ts';
import { evidenceCommands } from './commands/evidence.ts';
import { grantCommands } from './commands/grants.ts';
import { initCommand } from './commands/init.ts';
import { notificationCommands } from './commands/notifications.ts';
import { lockCommands } from './commands/locks.ts';
import { accessCommands, policyToolCommands } from './commands/policy-tools.ts';
import { policyCommands } from './commands/policy.ts';
import { requestCommand } from './commands/request.ts';
import { reviewCommands } from './commands/reviews.ts';
import { subjectCommands } from './commands/subjects.ts';
import { sessionCommands } from './commands/sessions.ts';
import { targetCommands } from './commands/targets.ts';
import { unsealCommands } from './commands/unseal.ts';
import { EXIT } from './failure.ts';
import { Output } from './output.ts';
import type { CliDeps } from './ports.ts';
import type { CommandSetting } from './run.ts';
import { withExamples } from './run.ts';

/** Runs one command line. @param argv without node and script. @returns the exit code. */
export async function runCli(deps: CliDeps, argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  let exitCode: number = EXIT.ok;
  const setting: CommandSetting = {
    io: deps.io,
    unseal: deps.unseal,
    verifyLog: deps.verifyLog,
    evidence: deps.evidence,
    signal: interrupt.signal,
    exitWith: (code) => (exitCode = code),
  };
  const program = buildProgram(deps, setting, () => deps.io.onInterrupt(() => interrupt.abort()));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (interrupt.signal.aborted) return EXIT.interrupted;
    return new Output(deps.io, argv.includes('--json')).failure(error);
  }
}

/** @param listenForInterrupt called before a command that does not handle Ctrl-C itself. @internal */
export function buildProgram(deps: CliDeps, setting: CommandSetting, listenForInterrupt: () => () => void): Command {
  const { io } = deps;
  const program = new Command('sallyport')
    .description('The gate between AI agents and protected health data.')
    .version(deps.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .option('--json', 'print JSON instead of text')
    .option('--api <url>', 'address of the API (SALLYPORT_API)')
    .option('--ca <file>', 'CA certificate of the gateway (SALLYPORT_CA)')
    .option('--token-file <file>', 'file that holds the token (else SALLYPORT_TOKEN)')
    .option('--token-command <command>', 'shell command that prints the token')
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(add --help for usage and examples)')
    .exitOverride();
  withExamples(program, [
    'sallyport demo                      # everything on this machine, nothing to install',
    'sallyport init /etc/sallyport       # a working pair of configuration files, with keys',
    'sallyport serve -c /etc/sallyport/sallyport.yaml',
    'sallyport approvals ls --state pending',
  ]);
  program.addHelpText('after', '\nExit codes: 0 done, 1 failed or denied, 2 wrong usage or configuration, 130 stopped by Ctrl-C.');

  const signalOwners = new Set(['serve', 'demo']);
  let stopListening = (): void => {};
  program.hook('preAction', (_program, command) => {
    if (!signalOwners.has(command.name())) stopListening = listenForInterrupt();
  });
  program.hook('postAction', () => stopListening());

  withExamples(
    program
      .command('serve')
      .description('run the gateway until SIGTERM')
      .option('-c, --config <file>', 'configuration', 'sallyport.yaml')
      .action((options: { config: string }) => deps.serve({ config: options.config })),
    ['sallyport serve', 'sallyport serve -c /etc/sallyport/sallyport.yaml'],
  );
  initCommand(program, setting, deps.certificates);
  withExamples(
    program
      .command('demo')
      .description('run gateway, database and identity provider with made-up patients on this machine')
      .option('--directory <path>', 'keep its data here (default: a temporary directory)')
      .option('--postgres-port <port>', 'port of the gate', portNumber, 6432)
      .option('--api-port <port>', 'port of the API', portNumber, 8443)
      .option('--once', 'play the agent session, then stop; exit code 1 when a step did not hold', false)
      .action(async (options: { directory?: string; postgresPort: number; apiPort: number; once: boolean }) => {
        const failures = await deps.demo({ ...options, directory: options.directory ?? null });
        if (failures > 0) setting.exitWith(EXIT.failed);
      }),
    ['sallyport demo', 'sallyport demo --once', 'sallyport demo --postgres-port 5433'],
  );
  policyToolCommands(policyCommands(program, setting), setting);
  const access = accessCommands(program, setting);
  approvalCommands(program, setting);
  requestCommand(program, setting);
  grantCommands(program, setting);
  lockCommands(program, setting);
  notificationCommands(program, setting);
  sessionCommands(program, setting);
  unsealCommands(program, setting);
  targetCommands(program, setting);
  reviewCommands(program, setting, { access, audit: auditCommands(program, setting) });
  subjectCommands(program, setting);
  evidenceCommands(program, setting);
  return program;
}
