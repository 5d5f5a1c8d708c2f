// The drivers of Node, new and old, with promises instead of callbacks.

import { createRequire } from 'node:module';
import type snowflakeSdk from 'snowflake-sdk';
import type { Connection, RowStatement } from 'snowflake-sdk';

export const nodeDrivers = ['snowflake-sdk', 'snowflake-sdk-1'] as const;
export type NodeDriver = (typeof nodeDrivers)[number];

const require = createRequire(import.meta.url);

function load(name: NodeDriver): typeof snowflakeSdk {
  const driver = require(name) as typeof snowflakeSdk;
  driver.configure({ logLevel: 'OFF', additionalLogToConsole: false } as never);
  return driver;
}

export type Row = Readonly<Record<string, unknown>>;

export interface Ran {
  readonly rows: readonly Row[];
  readonly statement: RowStatement;
}

/** A connection of one of the drivers. */
export class NodeClient {
  readonly connection: Connection;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  static async connect(driver: NodeDriver, options: Readonly<Record<string, unknown>>): Promise<NodeClient> {
    const connection = load(driver).createConnection(options as never);
    await new Promise<void>((resolve, reject) =>
      connection.connect((error) => (error === undefined || error === null ? resolve() : reject(error as Error))),
    );
    return new NodeClient(connection);
  }

  async ran(sqlText: string, more: object = {}): Promise<Ran> {
    return await new Promise((resolve, reject) => {
      this.connection.execute({
        sqlText,
        ...more,
        complete: (error, statement, rows) =>
          error === undefined || error === null
            ? resolve({ rows: (rows ?? []) as Row[], statement: statement as RowStatement })
            : reject(error as Error),
      });
    });
  }

  async rows(sqlText: string, more: object = {}): Promise<readonly Row[]> {
    return (await this.ran(sqlText, more)).rows;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.connection.destroy(() => resolve()));
  }
}
