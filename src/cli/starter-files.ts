// The files `sallyport init` writes: a commented pair of configuration files that pass their schemas as they are.
// Values a reader must replace are examples that fail closed: nobody can log in from idp.example.com.

export interface StarterChoices {
  readonly target: string;
  readonly address: string;
  readonly database: string;
  readonly user: string;
  readonly passwordEnv: string;
  readonly issuer: string;
  readonly audience: string;
  readonly origin: string;
  readonly recipient: string;
  readonly listen: string;
  readonly apiListen: string;
}

/** A plain scalar where YAML allows one, else a quoted one. */
function scalar(text: string): string {
  return /^[A-Za-z0-9_./-][A-Za-z0-9_./:@-]*$/.test(text) && !/^[\d.-]+$|:$|^(?:true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

export function starterConfig(choices: StarterChoices): string {
  const value = Object.fromEntries(Object.entries(choices).map(([key, text]) => [key, scalar(text)]));
  return `# Sallyport: the process. Who may do what is in policy.yaml. Paths are relative to this file.
# Every fault is printed with its line before anything starts: sallyport serve -c sallyport.yaml
version: 1

# State, audit log and sealed payloads. One gateway at a time. ./data.anchor remembers the newest checkpoint of the log: do not put it
# back together with ./data, and give the log an anchor on another machine (audit.anchors).
dataDirectory: ./data

# Where clients connect. Without TLS only loopback is accepted, and only with \`insecure: true\`.
listeners:
  - protocol: postgres
    address: ${value['listen']}
    tls: { certificate: ./tls/server.crt, key: ./tls/server.key }

# The HTTP API that \`sallyport approvals\`, \`session\`, \`policy\` and \`audit\` talk to.
api:
  address: ${value['apiListen']}
  tls: { certificate: ./tls/server.crt, key: ./tls/server.key }
  # Roles of policy.yaml. Auditors see everything and can fetch sealed recordings; operators see sessions and check policy.
  auditors: [privacy-officer]
  operators: [privacy-officer]

# Who people and agents are. A client presents a token of this issuer as its password; the user name is ignored.
identity:
  providers:
    - name: corp
      issuer: ${value['issuer']}
      audience: ${value['audience']}
      groupsClaim: groups
      # What a principal is when its token does not say: person, agent or service.
      defaultKind: agent

# Protected systems. The client asks for the target's name as its database name.
targets:
  - name: ${value['target']}
    protocol: postgres
    address: ${value['address']}
    database: ${value['database']}
    user: ${value['user']}
    # Also { file: path } or { command: [program, argument] }. Clients never see it.
    password: { env: ${value['passwordEnv']} }
    # Give the CA of the database with ca: ./db-ca.crt; without it the system's are trusted.
    tls: { mode: verify-full }
    searchPath: [public]

policy:
  files: [policy.yaml]

# Every request, decision and result. Give keys/log.vkey to whoever verifies the log.
audit:
  origin: ${value['origin']}
  signingKey: { file: ./keys/log.key }
  # Statements and masked results are encrypted to these keys; the gateway cannot open them again.
  recipients:
    - ${value['recipient']}

# Makes tokens (mask method \`token\`) stable. Changing it makes every token invalid: rotate with tokenKeys.
tokenKey: { file: ./keys/token.key }
`;
}

export function starterPolicy({ target }: Pick<StarterChoices, 'target'>): string {
  return `# Sallyport: who may do what, and what is masked. Against a running gateway: sallyport policy check policy.yaml, sallyport policy test policy.yaml
version: 1

# What is protected, where: target:schema.relation.column, each part may have *.
classes:
  - class: phi.ssn
    columns: ["${target}:*.*.ssn"]
    predicates: equality     # WHERE ssn = '...' finds the row where a unique index allows it; all else sees the mask
  - class: phi.name
    columns: ["${target}:*.*.*name"]
  - class: phi.date
    columns: ["${target}:*.*.dob", "${target}:*.*.*birth*"]
    predicates: any

# Sets of principals, by what the identity provider says about them.
roles:
  - role: reporting-agent
    members: [{ issuer: corp, group: ai-agents }]
  - role: privacy-officer
    members: [{ issuer: corp, group: privacy }]

# Default deny: what is not listed here cannot be reached.
access:
  - role: reporting-agent
    targets: [${target}]
    effects: [read]

# How a class is shown. A class without an entry is redacted.
masks:
  - class: phi.*
    mask: redact
  - class: phi.date
    mask: year

# deny beats hold beats allow.
rules:
  - name: no-ddl-for-agents
    when: "'ddl' in request.effects && principal.kind == 'agent'"
    then: deny
    say: Agents do not change schemas. Open a migration instead.
  - name: bulk-read-of-phi
    when: "request.unbounded && request.classes.exists(c, c.startsWith('phi.'))"
    then: hold
    approvers: { role: privacy-officer, count: 1 }
    within: 15m

# Run by \`sallyport policy test\`, and before a policy is applied.
tests:
  - name: a stranger has no access
    as: { issuer: corp, subject: nobody }
    target: ${target}
    sql: SELECT 1
    expect: { decision: deny, reasons: [no-access] }
`;
}

export const OFFLINE_README = `These two files do not belong on the gateway. Move them to a safe place now, then delete this directory.

sealing-identity.txt  opens recorded statements and results (sallyport session replay --identity). Whoever has it and the data
                      directory can read what was recorded; without it the recordings can never be opened.
ca.key                signs server certificates of the gateway. Needed again when tls/server.crt expires.
`;

export const STARTER_IGNORE = `data/
data.anchor/
keys/*.key
tls/*.key
offline/
`;
