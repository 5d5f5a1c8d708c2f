// Makes tests that start the embedded PostgreSQL 18 start another version instead, without a change to them:
//   SALLYPORT_TEST_POSTGRES=13 node --import ./test/support/older-postgres-hook.ts --test test/e2e/...
// The variable is read when a server is started; without it everything is as before.

import { registerHooks } from 'node:module';

const embedded = new URL('../../src/demo/embedded-postgres.ts', import.meta.url).href;
const standIn = new URL('./chosen-postgres.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url === embedded && context.parentURL !== standIn ? { ...found, url: standIn } : found;
  },
});
