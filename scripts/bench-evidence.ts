// How long it takes to make and to verify a bundle: `node scripts/bench-evidence.ts [entries] [sessions]`. The log is synthetic, with headers of
// the size that the gate writes; nothing is kept. Prints one line of JSON.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLogKey, parseSigningKey } from '../src/audit/index.ts';
import { bundlePath, encodeBundle, Frontier, leafHash, signCheckpoint, TILE_WIDTH, tilePath, type Tile } from '../src/audit/tlog/index.ts';
import { exportTo, loadVerifier } from '../src/evidence/index.ts';

const entries = Number(process.argv[2] ?? 1_000_000);
const sessions = Number(process.argv[3] ?? 1000);
const origin = 'audit.example.org/bench';
const root = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'sallyport-bench-evidence-'));
const log = join(root, 'log');
const startMs = Date.UTC(2026, 0, 1);
const stepMs = 20;

const actor =
  '"principal":{"issuer":"corp","subject":"agent-7","kind":"agent"},"onBehalfOf":{"issuer":"corp","subject":"alice","kind":"person"}';
const intentRest =
  '"resource":{"target":"clinic","objects":["public.patients"]},"action":"query","decision":"allow","rules":["agents-read"],"policy":{"sha256":"' +
  'a'.repeat(64) +
  '"},"statement":{"normalised":"SELECT id, name, ssn, date_of_birth FROM public.patients WHERE clinic_id = $1 AND id = $2 LIMIT 5","fingerprint":"50fde20626009aba","bytes":98,"parameters":[{"type":"int4","bytes":4},{"type":"int4","bytes":4}]},' +
  '"facts":{"verbs":["SELECT"],"effects":["read"],"relations":[{"name":"public.patients","access":"read"}],"classes":["phi.name","phi.ssn","phi.birth-date"],"outputClasses":["phi.name","phi.ssn","phi.birth-date"],"predicateClasses":[],"unbounded":false,"unknowns":[],"statements":1,"limit":5,"columns":[{"relation":"public.patients","shown":["id","name","ssn","date_of_birth"],"tested":["clinic_id","id"]}]}';
const resultRest =
  '"resource":{"target":"clinic"},"action":"query","result":{"columns":[{"name":"id","classes":[],"mask":"clear"},{"name":"name","classes":["phi.name"],"mask":"redact"},{"name":"ssn","classes":["phi.ssn"],"mask":"last4"},{"name":"date_of_birth","classes":["phi.birth-date"],"mask":"year"}],"rows":5,"bytes":410,"code":"ok","ms":1.382}';
const sealed = (kind: string): string =>
  `"sealed":[{"kind":"${kind}","sha256":"${'b'.repeat(64)}","bytes":201,"commitment":"${'c'.repeat(64)}","key":"00000000000000-0123456789abcdef"}]`;

function entryOf(seq: number): Buffer {
  const pair = Math.floor(seq / 2);
  const session = `ses_${String(pair % sessions).padStart(20, '0')}`;
  const n = Math.floor(pair / sessions) * 2 + (seq % 2);
  const head = `{"v":1,"seq":${seq},"ts":"${new Date(startMs + seq * stepMs).toISOString()}","replica":"gw-1"`;
  const body =
    seq % 2 === 0
      ? `"type":"request.intent",${actor},"session":"${session}","n":${n},${intentRest},${sealed('statement')}`
      : `"type":"request.result",${actor},"session":"${session}","n":${n},${resultRest},"intent":${seq - 1},${sealed('result')}`;
  return Buffer.from(`${head},${body}}`);
}

function put(path: string, bytes: Uint8Array | string): void {
  const full = join(log, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, bytes);
}

const key = createLogKey(origin);
const signer = parseSigningKey(key.signingKey, origin);
const frontier = new Frontier();
const putTile = ({ level, index, width, bytes }: Tile): void => put(tilePath(level, index, width), bytes);
let bytes = 0;
for (let first = 0; first < entries; first += TILE_WIDTH) {
  const bundle = Array.from({ length: Math.min(TILE_WIDTH, entries - first) }, (_, at) => entryOf(first + at));
  for (const entry of bundle) {
    bytes += entry.length;
    for (const tile of frontier.push(leafHash(entry))) putTile(tile);
  }
  put(bundlePath(first / TILE_WIDTH, bundle.length), encodeBundle(bundle));
}
for (const tile of frontier.partial()) putTile(tile);
put('checkpoint', signCheckpoint({ size: entries, root: frontier.root() }, signer));

const request = {
  from: new Date(startMs).toISOString(),
  to: new Date(startMs + entries * stepMs).toISOString(),
  principal: null,
  target: null,
};
const folder = join(root, 'bundle');
const exportStart = performance.now();
await exportTo(folder, request, { log, signer, policy: async () => null, verifier: loadVerifier, version: 'bench', reserveBytes: 0 });
const exportMs = performance.now() - exportStart;
const verifyStart = performance.now();
const verified = spawnSync(
  '/usr/bin/time',
  ['-f', '%M KiB, %U s user, %S s system', process.execPath, join(folder, 'verify.mjs'), folder, '--key', key.vkey, '--json'],
  {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  },
);
const verifyMs = performance.now() - verifyStart;
console.log(
  JSON.stringify({
    entries,
    sessions,
    bytesPerEntry: Math.round(bytes / entries),
    exportSeconds: Math.round(exportMs / 100) / 10,
    verifySeconds: Math.round(verifyMs / 100) / 10,
    verifiedPerSecond: Math.round(entries / (verifyMs / 1000)),
    status: verified.status,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    process: verified.stderr.trim().split('\n').at(-1),
  }),
);
rmSync(root, { recursive: true, force: true });
