// Loaded before a program (`--import`): counts its changes of the file system and of SQLite databases, and kills the process with SIGKILL at
// the one that KILL_AT names, before it; of a write, half is done.
// Only the main thread is counted, and without KILL_AT nothing is. KILL_AT=0: nothing is killed, and the process says at its end how many
// there were.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync, StatementSync } from 'node:sqlite';

type Call = (...args: never[]) => unknown;

const at = Number(process.env['KILL_AT'] ?? 0);
let steps = 0;
let isOn = false;

/** Whether steps count from here on. */
export function countSteps(isCounted: boolean): void {
  isOn = isCounted;
}

/** @param first what is done of the step before the end */
function step(first?: () => unknown): void {
  if (!isOn) return;
  steps += 1;
  if (steps !== at) return;
  first?.();
  process.kill(process.pid, 'SIGKILL');
  // Until the signal has come.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function replace(owner: object, names: readonly string[], half?: (call: Call, self: unknown, args: unknown[]) => unknown): void {
  for (const name of names) {
    const call = Reflect.get(owner, name) as Call;
    const stepped = function (this: unknown, ...args: unknown[]): unknown {
      step(half === undefined ? undefined : () => half(call, this, args));
      return Reflect.apply(call, this, args);
    };
    Reflect.set(owner, name, stepped);
  }
}

/** Half of the bytes, by whatever handle: synchronously, as nothing comes after it. */
function halfOf(fd: number, bytes: unknown, position: unknown): void {
  const buffers = Array.isArray(bytes) ? (bytes as Uint8Array[]) : [bytes as Uint8Array | string];
  const whole = Buffer.concat(buffers.map((one) => (typeof one === 'string' ? Buffer.from(one) : one)));
  original(fd, whole, 0, Math.floor(whole.length / 2), typeof position === 'number' ? position : null);
}

const original = fs.writeSync;

if (process.env['KILL_AT'] !== undefined) await replaceAll();

async function replaceAll(): Promise<void> {
  const handle = await fs.promises.open('/dev/null', 'w');
  const prototype = Object.getPrototypeOf(handle) as object;
  await handle.close();
  const fdOf = (self: unknown): number => (self as { fd: number }).fd;

  replace(fs.promises, ['rename', 'rm', 'unlink', 'rmdir', 'mkdir', 'mkdtemp', 'writeFile', 'appendFile', 'truncate']);
  replace(prototype, ['datasync', 'sync', 'truncate']);
  replace(prototype, ['write'], (_, self, [bytes, offset, length, position]) => {
    const from = Number(offset ?? 0);
    const view = bytes as Uint8Array;
    halfOf(fdOf(self), view.subarray(from, from + Number(length ?? view.length - from)), position);
  });
  replace(prototype, ['writev'], (_, self, [bytes, position]) => halfOf(fdOf(self), bytes, position));
  replace(prototype, ['writeFile'], (_, self, [bytes]) => halfOf(fdOf(self), bytes, null));
  replace(fs, ['writeSync'], (_, __, [fd, bytes, offset, length, position]) => {
    const from = Number(offset ?? 0);
    const view = bytes as Uint8Array;
    halfOf(fd as number, view.subarray(from, from + Number(length ?? view.length - from)), position);
  });
  replace(fs, ['fdatasyncSync', 'fsyncSync', 'renameSync', 'rmSync', 'unlinkSync', 'mkdirSync', 'writeFileSync', 'appendFileSync']);
  replace(fs, ['write', 'writev', 'rename', 'unlink', 'mkdir']);
  // `open` creates what it is to write.
  for (const [owner, name] of [
    [fs.promises, 'open'],
    [fs, 'openSync'],
  ] as const) {
    const call = Reflect.get(owner, name) as Call;
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]): unknown {
      if (args[1] !== undefined && args[1] !== 'r') step();
      return Reflect.apply(call, this, args);
    });
  }
  replace(DatabaseSync.prototype, ['exec']);
  replace(StatementSync.prototype, ['run']);
  syncBuiltinESMExports();

  process.on('exit', () => {
    isOn = false;
    if (at === 0) original(1, `steps ${steps}\n`);
  });
}
