// The configuration and policy the demo runs with. They are written to its directory, so that a reader can change them
// and serve them with `sallyport serve`.

export interface DemoFacts {
  readonly issuer: string;
  readonly audience: string;
  readonly consoleClientId: string;
  readonly databasePort: number;
  readonly postgresPort: number;
  readonly apiPort: number;
  readonly recipient: string;
}

export const demoOrigin = 'sallyport.demo/clinic';

export function demoConfig(facts: DemoFacts): string {
  return `# Written by \`sallyport demo\`.
version: 1
dataDirectory: ./data
listeners:
  - protocol: postgres
    address: 127.0.0.1:${facts.postgresPort}
    tls: { certificate: ./tls/server.crt, key: ./tls/server.key }
api:
  address: 127.0.0.1:${facts.apiPort}
  tls: { certificate: ./tls/server.crt, key: ./tls/server.key }
  auditors: [privacy-officer, auditor]
  operators: [privacy-officer, operator]
identity:
  providers:
    - name: demo
      issuer: ${facts.issuer}
      audience: ${facts.audience}
      groupsClaim: groups
      nameClaim: name
      kindClaim: kind
      defaultKind: agent
      # People log in to the console with it.
      console: { clientId: ${facts.consoleClientId}, label: Development log-in }
targets:
  - name: clinic
    protocol: postgres
    address: 127.0.0.1:${facts.databasePort}
    database: clinic
    user: sallyport
    password: { file: ./keys/database-password }
    # The demo's database is on this machine only; elsewhere the default is verify-full.
    tls: { mode: disable, insecure: true }
    # A held write is tried and rolled back, so that its reviewer sees how many rows it would change.
    approvalPreview: run
policy: { files: [policy.yaml] }
audit:
  origin: ${demoOrigin}
  signingKey: { file: ./keys/log.key }
  recipients: [${facts.recipient}]
tokenKey: { file: ./keys/token.key }
`;
}

export const demoPolicy = `# Written by \`sallyport demo\`.
version: 1

# The 18 Safe Harbor identifiers as classes with masks, and rules for agents. Read it: src/policy/packs/hipaa-agents.yaml
packs: [hipaa-agents]

classes:
  # Free text of the front desk: names and phone numbers occur in it. No pack can know that; a person has to say it.
  - class: phi.text
    columns: ["clinic:public.encounters.reason"]

roles:
  - role: reporting-agent
    members: [{ issuer: demo, group: ai-agents }]
  - role: privacy-officer
    members: [{ issuer: demo, group: privacy }]
  - role: operator
    members: [{ issuer: demo, group: operations }]
  - role: auditor
    members: [{ issuer: demo, group: audit }]
  - role: clinician
    members: [{ issuer: demo, group: clinicians }]

access:
  - role: reporting-agent
    targets: [clinic]
    effects: [read, copy-out]
    how: standing
  - role: privacy-officer
    targets: [clinic]
    effects: [read]
    how: standing
  # A clinician asks for access when it is needed, and the privacy officer answers: sallyport request clinic --for 1h
  - role: clinician
    targets: [clinic]
    effects: [read]
    how: { on-request: { maxDuration: 8h, approvers: { role: privacy-officer, count: 1 } } }

tests:
  - name: an agent's unbounded read of patients waits for the privacy officer
    as: { issuer: demo, subject: reporting-agent, groups: [ai-agents], kind: agent }
    target: clinic
    sql: SELECT name, ssn, dob FROM patients
    expect: { decision: hold, rules: [bulk-read-of-phi], masks: { name: redact, ssn: redact, dob: age-90 } }
  - name: counting encounters is nobody's secret
    as: { issuer: demo, subject: reporting-agent, groups: [ai-agents], kind: agent }
    target: clinic
    sql: SELECT kind, count(*) FROM encounters GROUP BY kind
    expect: { decision: allow }
  - name: agents do not drop tables
    as: { issuer: demo, subject: reporting-agent, groups: [ai-agents], kind: agent }
    target: clinic
    sql: DROP TABLE patients
    expect: { decision: deny, rules: [no-ddl-for-agents] }
`;
