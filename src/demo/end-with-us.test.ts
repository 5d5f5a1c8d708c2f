import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { endWithUs } from './end-with-us.ts';

const module = new URL('./end-with-us.ts', import.meta.url).href;
const waits = "console.log('ready'); setInterval(() => undefined, 1000);";
const registers = "const forget = endWithUs(() => writeSync(1, 'undone\\n'));";

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
}

/** Runs `script` in a process of its own; sends `signal` each time it prints `ready`. */
async function ended(script: string, signal?: NodeJS.Signals): Promise<Ended> {
  const text = `import { writeSync } from 'node:fs'; import { endWithUs } from '${module}'; ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
    if (chunk.includes('ready') && signal !== undefined) child.kill(signal);
  });
  const [code, by] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal: by, out };
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} undoes, and ends the process as if nobody had listened`, async () => {
    assert.deepEqual(await ended(`${registers} ${waits}`, signal), { code: null, signal, out: 'ready\nundone\n' });
  });
}

test('an exit and an uncaught exception undo', async () => {
  assert.deepEqual(await ended(`${registers} process.exit(3);`), { code: 3, signal: null, out: 'undone\n' });
  assert.deepEqual(await ended(`${registers} throw new Error('thrown on purpose');`), { code: 1, signal: null, out: 'undone\n' });
});

test('who listens to a signal decides about it, even when only once', async () => {
  const decides = "process.once('SIGINT', () => { console.log('mine'); forget(); clearInterval(waiting); });";
  const waiting = waits.replace('setInterval', 'const waiting = setInterval');
  assert.deepEqual(await ended(`${registers} ${decides} ${waiting}`, 'SIGINT'), { code: 0, signal: null, out: 'ready\nmine\n' });
});

test('what is forgotten is not undone, and no listener stays', async () => {
  assert.deepEqual(await ended(`${registers} forget(); ${waits}`, 'SIGTERM'), { code: null, signal: 'SIGTERM', out: 'ready\n' });
  const before = process.listenerCount('SIGINT');
  const [first, second] = [endWithUs(() => undefined), endWithUs(() => undefined)];
  assert.equal(process.listenerCount('SIGINT'), before + 1);
  first();
  first();
  assert.equal(process.listenerCount('SIGINT'), before + 1);
  second();
  assert.equal(process.listenerCount('SIGINT'), before);
});

test('one that fails does not keep the others from being undone', async () => {
  const fails = "endWithUs(() => { throw new Error('fails on purpose'); });";
  const { signal, out } = await ended(`${fails} ${registers} ${waits}`, 'SIGTERM');
  assert.deepEqual([signal, out], ['SIGTERM', 'ready\nundone\n']);
});
