// NDJSON in a file that is rotated by size: `events.ndjson`, then `events.ndjson.1` (the newest of the old ones) and so on. A batch is
// taken when it survives power loss. A line that a crash has cut is removed: it was not acknowledged and comes again.

import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Destination, type DestinationParts, notTaken, TAKEN } from './destination.ts';
import { ndjson } from './ndjson.ts';

export interface FileSettings extends DestinationParts {
  readonly path: string;
  /** The file is rotated before it would grow beyond; a larger batch gets a file of its own. */
  readonly maxBytes: number;
  /** Old files that stay. */
  readonly keep: number;
}

const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export function createFileDestination({ name, context, path, maxBytes, keep }: FileSettings): Destination {
  let file: { readonly handle: FileHandle; bytes: number } | null = null;

  const opened = async (): Promise<NonNullable<typeof file>> => {
    if (file !== null) return file;
    const handle = await open(path, 'a+', 0o600);
    try {
      const bytes = await wholeLines(handle);
      await handle.truncate(bytes);
      await syncFolder(path);
      return (file = { handle, bytes });
    } catch (fault) {
      await handle.close();
      throw fault;
    }
  };
  const closed = async (): Promise<void> => {
    const { handle } = file ?? {};
    file = null;
    await handle?.close();
  };
  const rotate = async (): Promise<void> => {
    await closed();
    await rm(`${path}.${keep}`, { force: true });
    for (let n = keep - 1; n >= 1; n -= 1) if (await exists(`${path}.${n}`)) await rename(`${path}.${n}`, `${path}.${n + 1}`);
    if (keep >= 1) await rename(path, `${path}.1`);
    else await rm(path, { force: true });
    await syncFolder(path);
  };

  return {
    name,
    kind: 'file',
    async send(batch) {
      const bytes = Buffer.from(await ndjson(batch, context));
      try {
        let to = await opened();
        // Somebody else's rotation, or a hand: never write into a file that nobody finds.
        if (!(await isSameFile(to.handle, path))) {
          await closed();
          to = await opened();
        }
        if (to.bytes > 0 && to.bytes + bytes.length > maxBytes) {
          await rotate();
          to = await opened();
        }
        await to.handle.appendFile(bytes);
        await to.handle.datasync();
        to.bytes += bytes.length;
        return TAKEN;
      } catch {
        // What was written of it is not known: the next attempt looks at the file anew.
        await closed().catch(() => undefined);
        return notTaken('unwritable');
      }
    },
    close: closed,
  };
}

/** Length up to the last newline. */
async function wholeLines(handle: FileHandle): Promise<number> {
  const buffer = Buffer.alloc(TAIL_BYTES);
  for (let end = (await handle.stat()).size; end > 0;) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

async function isSameFile(handle: FileHandle, path: string): Promise<boolean> {
  try {
    const [ours, there] = await Promise.all([handle.stat(), stat(path)]);
    return ours.ino === there.ino && ours.dev === there.dev;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
