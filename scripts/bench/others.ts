// The measurements of single parts that have a script of their own; their lines are shown as they are.

import { join } from 'node:path';
import type { BenchOptions, Section } from './lab.ts';
import { Processes } from './processes.ts';

const scripts = {
  audit: { title: 'The audit log alone', file: 'bench-audit.ts' },
  policy: { title: 'Policy decisions alone', file: 'bench-policy.ts' },
} as const;

export async function other(name: keyof typeof scripts, options: BenchOptions): Promise<Section[]> {
  const { title, file } = scripts[name];
  options.say(`running ${file}`);
  const processes = new Processes();
  try {
    const out = (await processes.run(process.execPath, [join(import.meta.dirname, '..', file)])).trimEnd();
    return [{ title, body: `\`\`\`\n${out}\n\`\`\``, data: out.split('\n') }];
  } finally {
    processes.close();
  }
}
