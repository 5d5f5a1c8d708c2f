// How to connect to a Snowflake target with each driver: only the address, the account and the log-in differ from a direct connection.
// Names are written down as the language of their snippet writes any text; see snippets.ts.

import type { Endpoint, Snippet } from './snippets.ts';
import { CA, encode, quoted, shell, TOKEN, urlHost } from './snippet-texts.ts';

export function snowflakeSnippets(endpoint: Endpoint): readonly Snippet[] {
  return [node(endpoint), python(endpoint), snow(endpoint), jdbc(endpoint), go(endpoint)];
}

const scheme = ({ isTls }: Endpoint): string => (isTls ? 'https' : 'http');

function node(endpoint: Endpoint): Snippet {
  const { host, port, database: account, user, isTls } = endpoint;
  return {
    tool: 'Node snowflake-sdk',
    note: isTls ? `Start it with NODE_EXTRA_CA_CERTS=${CA}.` : null,
    text: `import snowflake from 'snowflake-sdk';

const connection = snowflake.createConnection({
  accessUrl: ${quoted(`${scheme(endpoint)}://${urlHost(host)}:${port}`)},
  account: ${quoted(account)},
  username: ${quoted(user)},
  authenticator: 'OAUTH',
  token: process.env.${TOKEN},
});
await connection.connectAsync();`,
  };
}

function python(endpoint: Endpoint): Snippet {
  const { host, port, database: account, user, isTls } = endpoint;
  return {
    tool: 'Python connector',
    note: isTls ? `Start it with REQUESTS_CA_BUNDLE=${CA}.` : null,
    text: `import os
import snowflake.connector

connection = snowflake.connector.connect(
    host=${quoted(host)},
    port=${port},
    protocol="${scheme(endpoint)}",
    account=${quoted(account)},
    user=${quoted(user)},
    authenticator="oauth",
    token=os.environ["${TOKEN}"],
)`,
  };
}

function snow(endpoint: Endpoint): Snippet {
  const { host, port, database: account, user, isTls } = endpoint;
  const options = [
    '--temporary-connection',
    `--host ${shell(host)}`,
    `--port ${port}`,
    `--protocol ${scheme(endpoint)}`,
    `--account ${shell(account)}`,
    `--user ${shell(user)}`,
    '--authenticator oauth',
    '--token-file-path token.txt',
  ];
  return {
    tool: 'snow',
    note: 'The token is read from token.txt: make it readable by you alone, and delete it afterwards.',
    text: `${isTls ? `export REQUESTS_CA_BUNDLE=${CA}\n` : ''}snow sql ${options.join(' \\\n  ')}`,
  };
}

function jdbc({ host, port, database: account, user, isTls }: Endpoint): Snippet {
  return {
    tool: 'JDBC',
    note: isTls ? `${CA} must be in the trust store of the Java runtime.` : null,
    text: `Properties properties = new Properties();
properties.put("account", ${quoted(account)});
properties.put("user", ${quoted(user)});
properties.put("authenticator", "oauth");
properties.put("token", System.getenv("${TOKEN}"));${isTls ? '' : '\nproperties.put("ssl", "off");'}
Connection connection = DriverManager.getConnection(
    ${quoted(`jdbc:snowflake://${urlHost(host)}:${port}/`)}, properties);`,
  };
}

function go(endpoint: Endpoint): Snippet {
  const { host, port, database: account, user, isTls } = endpoint;
  const query = `account=${encode(account)}&protocol=${scheme(endpoint)}&authenticator=oauth&token=`;
  return {
    tool: 'Go gosnowflake',
    note: isTls ? `${CA} must be among the system's authorities, or in a tlsConfigName.` : null,
    text: `dsn := ${quoted(`${encode(user)}@${urlHost(host)}:${port}/?${query}`)} +
	url.QueryEscape(os.Getenv("${TOKEN}"))
db, err := sql.Open("snowflake", dsn)`,
  };
}
