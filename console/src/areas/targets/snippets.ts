// How to connect with each tool. The token is never in here: it comes from the environment (or is typed). Names come from the identity
// provider and the configuration, so each is written down as the language of its snippet writes any text: nothing in it can run.

import { snowflakeSnippets } from './snowflake-snippets.ts';
import { CA, encode, quoted, shell, TOKEN, urlHost } from './snippet-texts.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** What clients give as database, or as account. */
  readonly database: string;
  readonly user: string;
}

export interface Snippet {
  readonly tool: string;
  /** What to say besides; null = nothing. */
  readonly note: string | null;
  readonly text: string;
}

/** An address that listens everywhere is reached by the name under which this page was. */
export function reachableHost(listening: string, page: string): string {
  return /^(?:0\.0\.0\.0|\[?::\]?|\*)?$/.test(listening) ? page.replaceAll(/[[\]]/g, '') : listening;
}

export function snippets(protocol: string, endpoint: Endpoint): readonly Snippet[] {
  if (protocol === 'snowflake') return snowflakeSnippets(endpoint);
  return [psql(endpoint), url(endpoint), nodePg(endpoint), psycopg(endpoint), jdbc(endpoint), dbeaver(endpoint), sqlAlchemy(endpoint)];
}

/** One value of a libpq connection string. */
const conninfo = (text: string): string => (/^[\w.:@-]+$/.test(text) ? text : `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`);
const query = (isTls: boolean): string => (isTls ? `sslmode=verify-full&sslrootcert=${CA}` : 'sslmode=disable');

function psql({ host, port, database, user, isTls }: Endpoint): Snippet {
  const parts = { host, port: String(port), dbname: database, user, ...tlsParts(isTls) };
  const text = Object.entries(parts)
    .map(([name, value]) => `${name}=${conninfo(value)}`)
    .join(' ');
  return { tool: 'psql', note: null, text: `PGPASSWORD="$${TOKEN}" psql ${shell(text)}` };
}

function url(endpoint: Endpoint): Snippet {
  const { host, port, database, user, isTls } = endpoint;
  return {
    tool: 'libpq URL',
    note: 'For tools that take a URL. libpq reads the token from PGPASSWORD.',
    text: `export PGPASSWORD="$${TOKEN}"\nexport DATABASE_URL=${shell(
      `postgresql://${encode(user)}@${urlHost(host)}:${port}/${encode(database)}?${query(isTls)}`,
    )}`,
  };
}

const tlsParts = (isTls: boolean): Readonly<Record<string, string>> =>
  isTls ? { sslmode: 'verify-full', sslrootcert: CA } : { sslmode: 'disable' };

function nodePg({ host, port, database, user, isTls }: Endpoint): Snippet {
  return {
    tool: 'Node pg',
    note: null,
    text: `${isTls ? "import { readFileSync } from 'node:fs';\n" : ''}import pg from 'pg';

const client = new pg.Client({
  host: ${quoted(host)},
  port: ${port},
  database: ${quoted(database)},
  user: ${quoted(user)},
  password: process.env.${TOKEN},
  ssl: ${isTls ? `{ ca: readFileSync('${CA}', 'utf8') }` : 'false'},
});
await client.connect();`,
  };
}

function psycopg({ host, port, database, user, isTls }: Endpoint): Snippet {
  return {
    tool: 'Python psycopg',
    note: null,
    text: `import os
import psycopg

connection = psycopg.connect(
    host=${quoted(host)},
    port=${port},
    dbname=${quoted(database)},
    user=${quoted(user)},
    password=os.environ["${TOKEN}"],
${Object.entries(tlsParts(isTls))
  .map(([name, value]) => `    ${name}=${quoted(value)},`)
  .join('\n')}
)`,
  };
}

function sqlAlchemy({ host, port, database, user, isTls }: Endpoint): Snippet {
  return {
    tool: 'SQLAlchemy',
    note: null,
    text: `import os
from sqlalchemy import URL, create_engine

engine = create_engine(
    URL.create(
        "postgresql+psycopg",
        username=${quoted(user)},
        password=os.environ["${TOKEN}"],
        host=${quoted(host)},
        port=${port},
        database=${quoted(database)},
        query={${Object.entries(tlsParts(isTls))
          .map(([name, value]) => `${quoted(name)}: ${quoted(value)}`)
          .join(', ')}},
    )
)`,
  };
}

const jdbcUrl = ({ host, port, database, isTls }: Endpoint): string =>
  `jdbc:postgresql://${urlHost(host)}:${port}/${encode(database)}?${query(isTls)}`;

function jdbc(endpoint: Endpoint): Snippet {
  return {
    tool: 'JDBC',
    note: null,
    text: `Connection connection = DriverManager.getConnection(
    ${quoted(jdbcUrl(endpoint))},
    ${quoted(endpoint.user)},
    System.getenv("${TOKEN}"));`,
  };
}

function dbeaver(endpoint: Endpoint): Snippet {
  return {
    tool: 'DBeaver',
    note: `New connection, PostgreSQL, Connect by URL. The user name is ${endpoint.user}; paste your token as the password and do not save it.${
      endpoint.isTls ? ` Give ${CA} with its whole path.` : ''
    }`,
    text: jdbcUrl(endpoint),
  };
}
