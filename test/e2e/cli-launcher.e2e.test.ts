// bin/sallyport.cjs under this Node, and under an old one when the machine has it: restart, arguments, signals, and
// what it says when there is no Node 24.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';

const root = resolve(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'sallyport-launcher-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const main = `const version: string = process.versions.node;
process.once('SIGTERM', () => { console.log('terminated'); process.exit(7); });
console.log(JSON.stringify({ major: Number(version.split('.')[0]), arguments: process.argv.slice(2) }));
if (process.argv[2] === 'wait') setInterval(() => {}, 1000);
`;

/** A copy of the package's layout with a main that reports. */
function checkout(name: string, hasNode: boolean): string {
  const at = join(folder, name);
  mkdirSync(join(at, 'bin'), { recursive: true });
  mkdirSync(join(at, 'src', 'app'), { recursive: true });
  mkdirSync(join(at, 'node_modules', '.bin'), { recursive: true });
  cpSync(join(root, 'bin', 'sallyport.cjs'), join(at, 'bin', 'sallyport.cjs'));
  writeFileSync(join(at, 'src', 'app', 'main.ts'), main);
  writeFileSync(join(at, 'package.json'), '{"type":"module"}');
  if (hasNode) symlinkSync(process.execPath, join(at, 'node_modules', '.bin', 'node'));
  return join(at, 'bin', 'sallyport.cjs');
}

/** A `node` that says it is version 20 to whoever looks at process.versions. */
const old = join(folder, 'old.cjs');
writeFileSync(old, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } });");
const asOld = ['--require', old];

test('this Node runs the program itself', () => {
  const { stdout, status } = spawnSync(process.execPath, [checkout('new', false), 'a', 'b c'], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), { major: Number(process.versions.node.split('.')[0]), arguments: ['a', 'b c'] });
});

test('an old Node hands over to the one of the package, with arguments and exit code', () => {
  const { stdout, status } = spawnSync(process.execPath, [...asOld, checkout('handed', true), 'a', '--json'], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout).arguments, ['a', '--json']);
});

test('an old Node hands on SIGTERM and the exit code that follows', async () => {
  const child = spawn(process.execPath, [...asOld, checkout('signal', true), 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (text.includes('major')) child.kill('SIGTERM');
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 7);
  assert.match(output, /terminated/);
});

test('without a Node 24 it says exactly what to do', () => {
  const { stderr, status } = spawnSync(process.execPath, [...asOld, checkout('alone', false), 'demo'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /needs Node 24 or newer; this is v[\s\S]*npm ci[\s\S]*npx -y -p node-/);
});
