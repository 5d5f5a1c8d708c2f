// `bench up`: starts everything and leaves it running until Ctrl-C, for profiling and trying by hand.

import type { Lab, Section } from './lab.ts';
import { database, host, loadBulk, postgresBin, role } from './postgres.ts';

export async function up(lab: Lab): Promise<Section[]> {
  const { say, rows } = lab.options;
  if (rows > 0) {
    say(`loading ${rows.toLocaleString('en-US')} bulk rows`);
    await loadBulk(lab.processes, lab.postgres, rows);
  }
  for (const { name, login, pids } of await lab.allTargets()) {
    const flags = `-h ${host} -p ${login.port} -U ${role}`;
    console.log(`\n# ${name}, process ${pids.length === 0 ? lab.postgres.pid : pids.join(' ')}`);
    console.log(`PGPASSWORD=${login.password} ${postgresBin()}/pgbench ${flags} -n -S -M simple -c 8 -j 2 -T 10 ${database}`);
  }
  console.log('\nrunning; Ctrl-C ends everything');
  // A timer keeps the process; it ends by the signal.
  await new Promise(() => setInterval(() => undefined, 60_000));
  return [];
}
