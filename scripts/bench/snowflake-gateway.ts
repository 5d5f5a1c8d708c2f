// A gateway as a process of its own, for measurements: prints the port of its first listener.

import { startGateway } from '../../src/app/compose.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger, systemClock, systemRandom } from '../../src/app/ports.ts';

const [configFile = ''] = process.argv.slice(2);
const gateway = await startGateway(await loadConfig(configFile), {
  clock: systemClock,
  random: systemRandom,
  logger: createLogger('silent'),
  onFatal: () => process.exit(1),
});
console.log(gateway.listeners[0]?.port);
