// The verifier of src/evidence, on a file that a person chose.

import { readFileOf } from '../../../src/evidence/bundle-files.ts';
import { verifyFiles } from '../../../src/evidence/verify.ts';
import { openZip } from '../../../src/evidence/zip-reader.ts';
import { blobSource } from './blob-source.ts';
import { parseCsv } from './csv.ts';
import type { ControlRow, VerifyJob, VerifyResult } from './messages.ts';

const CONTROLS = 'controls/hipaa.csv';
const MAX_CONTROLS_BYTES = 4 * 1024 * 1024;

type Progress = NonNullable<Parameters<typeof verifyFiles>[1]['onProgress']>;

/** @throws SallyportError for keys and checkpoints that are none; faults of reading the file as they are */
export async function verifyBlob({ file, ...options }: VerifyJob, onProgress: Progress): Promise<VerifyResult> {
  const verdict = await verifyFiles(() => openZip(blobSource(file)), { ...options, onProgress });
  return { verdict, controls: verdict.ok ? await readControls(file) : null };
}

async function readControls(file: Blob): Promise<ControlRow[]> {
  const bundle = await openZip(blobSource(file));
  try {
    const [, ...rows] = parseCsv((await readFileOf(bundle, CONTROLS, MAX_CONTROLS_BYTES)).toString('utf8'));
    return rows.map(([control = '', title = '', records = '', count = '', counted = '', shows = '', cannotShow = '']) => ({
      control,
      title,
      records,
      count,
      counted,
      shows,
      cannotShow,
    }));
  } finally {
    await bundle.close();
  }
}
