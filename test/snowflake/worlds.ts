// The two worlds of the corpus: accounts that differ in protected values only, behind a fresh gateway that masks every protected column.

import { startSnowflakeGateway } from '../support/snowflake-gateway.ts';
import { policyOf } from './corpus/cases.ts';
import { FakeAccount } from './fake/account.ts';
import { protectedColumns } from './fake/clinic.ts';
import type { World } from './run-corpus.ts';

export interface Worlds {
  readonly first: World;
  readonly twin: World;
  stop(): Promise<void>;
}

/** @param gated false = the accounts only */
export async function startWorlds(gated: boolean): Promise<Worlds> {
  const first = await FakeAccount.start({ world: 'first' });
  const twin = await FakeAccount.start({ world: 'twin' });
  const accounts = { first, twin };
  const stopAccounts = async (): Promise<void> => {
    await first.close();
    await twin.close();
  };
  if (!gated) return { first: { account: first, gate: null }, twin: { account: twin, gate: null }, stop: stopAccounts };
  try {
    const targets = Object.entries(accounts).flatMap(([name, account]) =>
      [name, `${name}_keeping`].map((target) => ({ name: target, account })),
    );
    const names = targets.map(({ name }) => name);
    const gate = await startSnowflakeGateway({ targets, policy: policyOf(protectedColumns, names) });
    const tester = await gate.gateway.issuer.token('tester', { groups: ['testers'] }, { expiresInS: 7200 });
    const officer = await gate.gateway.issuer.token('officer', { groups: ['officers'] }, { expiresInS: 7200 });
    const { url } = gate;
    const endpointsOf = (name: string): NonNullable<World['gate']> => ({
      tester: { url, account: name, token: tester },
      keeping: { url, account: `${name}_keeping`, token: tester },
      clear: { url, account: name, token: officer },
      clearKeeping: { url, account: `${name}_keeping`, token: officer },
    });
    return {
      first: { account: first, gate: endpointsOf('first') },
      twin: { account: twin, gate: endpointsOf('twin') },
      async stop() {
        await gate.close();
        await stopAccounts();
      },
    };
  } catch (fault) {
    await stopAccounts();
    throw fault;
  }
}
