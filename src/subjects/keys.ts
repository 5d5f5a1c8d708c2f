// Keys of the subject index. What is on disk without them tells nothing; whoever has both can only try values. Made here unless the
// configuration brings them; the newest is used, all are searched with.

import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import { DIGEST_BYTES } from '../core/subject.ts';
import { byName, writeDurably } from './files.ts';

/** A key that was made here is replaced at the first start after so long. */
const KEY_LIFE_MS = 366 * 86_400_000;
const FILE = /^(\d{13})-([0-9a-f]{16})\.key$/;
/** Put there by an operator who wants another key at the next start. */
const WISH = 'next';

export class SubjectKey {
  /** Names the files that were made with it. */
  readonly id: string;
  readonly #digest: Buffer;
  readonly #seal: Buffer;

  /** @param secret at least 32 characters */
  constructor(secret: string) {
    const derive = (purpose: string): Buffer => createHmac('sha256', secret).update(`sallyport subject ${purpose}`).digest();
    this.id = derive('id').toString('hex').slice(0, 16);
    this.#digest = derive('digest');
    this.#seal = derive('record');
  }

  digest(target: TargetName, subject: string, key: string): Uint8Array {
    return createHmac('sha256', this.#digest).update(`${target}\0${subject}\0${key}`).digest().subarray(0, DIGEST_BYTES);
  }

  /** Proves that a record stands where it was written. */
  seal(file: string, at: number, body: Uint8Array): Buffer {
    return createHmac('sha256', this.#seal).update(`${file}\0${at}\0`).update(body).digest().subarray(0, DIGEST_BYTES);
  }
}

/** Secrets on disk, newest first; a new one is made when there is none, when it is old, or when an operator asks for it. */
export async function keysOnDisk(dir: string, nowMs: number, mayMake: boolean): Promise<string[]> {
  const keys = join(dir, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const names = await readdir(keys);
  const found = names
    .filter((name) => FILE.test(name))
    .toSorted()
    .toReversed();
  const secrets = await Promise.all(found.map(async (name) => readSecret(join(keys, name))));
  const [newest] = found;
  const isOld = newest !== undefined && Number(FILE.exec(newest)?.[1]) < nowMs - KEY_LIFE_MS;
  if (!mayMake || (newest !== undefined && !isOld && !names.includes(WISH))) return secrets;
  const secret = randomBytes(32).toString('hex');
  await writeDurably(
    join(keys, `${String(Math.trunc(nowMs)).padStart(13, '0')}-${new SubjectKey(secret).id}.key`),
    Buffer.from(`${secret}\n`),
  );
  await rm(join(keys, WISH), { force: true });
  return [secret, ...secrets];
}

/** Keys that nothing was made with any more. @param used ids */
export async function dropKeys(dir: string, used: ReadonlySet<string>): Promise<void> {
  const keys = join(dir, 'keys');
  const found = (await readdir(keys).catch(() => [] as string[])).filter((name) => FILE.test(name)).toSorted(byName);
  for (const name of found.slice(0, -1)) if (!used.has(FILE.exec(name)?.[2] ?? '')) await rm(join(keys, name), { force: true });
}

async function readSecret(path: string): Promise<string> {
  const secret = (await readFile(path, 'utf8')).trim();
  if (!/^[0-9a-f]{64}$/.test(secret)) throw new SallyportError('SP_CONFIG_INVALID', `${path}: is not a key of the subject index`);
  return secret;
}
