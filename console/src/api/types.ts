// Made by scripts/console-types.ts from the OpenAPI document of the API. Not edited by hand.

export interface Api {
  readonly 'GET /healthz': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly status: "ok"; };
  };
  readonly 'GET /log/checkpoint': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /log/log.vkey': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /log/minimum-index': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /log/rotations/{name}': {
    readonly path: { readonly name: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /log/tile/{*}': {
    readonly path: { readonly "*": string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  /** Prometheus metrics; from loopback, or with an operator token */
  readonly 'GET /metrics': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /readyz': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly ready: boolean; readonly checks?: Readonly<Record<string, string>>; };
  };
  /** Granted and used access by role over a period, and the policy that would have sufficed. For auditors and operators */
  readonly 'POST /v1/access/report': {
    readonly path: undefined;
    readonly query: { readonly progress?: string; };
    readonly body: { readonly roles?: readonly (string)[]; readonly since: string; /** Exclusive; absent = now */
readonly until?: string; readonly target?: string; readonly principal?: { readonly issuer: string; readonly subject: string; }; };
    readonly answer: { readonly policySha256: string; readonly requests: number; readonly denied: number; readonly unknown: readonly ({ readonly reason: string; readonly count: number; })[]; readonly roles: readonly ({ readonly role: string; readonly requests: number; readonly principals: readonly (string)[]; readonly principalCount: number; readonly granted: readonly ({ readonly targets: readonly (string)[]; readonly effects: readonly (string)[]; readonly how: string; })[]; readonly used: readonly ({ readonly target: string; readonly requests: number; readonly effects: readonly ({ readonly effect: string; readonly count: number; })[]; readonly relations: readonly ({ readonly name: string; readonly read: number; readonly written: number; })[]; readonly classes: readonly ({ readonly class: string; readonly count: number; readonly shownAs: string; })[]; })[]; readonly unused: { readonly targets: readonly (string)[]; readonly effects: readonly ({ readonly target: string; readonly effects: readonly (string)[]; })[]; readonly clearClasses: readonly (string)[]; }; })[]; readonly shrunk: { /** The policy that would have sufficed; null when that could not be proven */
readonly files: readonly ({ readonly name: string; readonly text: string; })[] | null; readonly sha256: string | null; /** Requests that are decided as they were */
readonly proven: number; readonly notes: readonly (string)[]; }; };
  };
  /** Held requests the caller may see, newest first */
  readonly 'GET /v1/approvals': {
    readonly path: undefined;
    readonly query: { readonly state?: "pending" | "approved" | "denied" | "expired" | "cancelled" | "used"; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly approvals: readonly ({ readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired" | "cancelled" | "used"; readonly session: string; readonly target: string; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly action: string; /** Redacted: every constant and comment replaced */
readonly statement: string | null; readonly statementSha256: string; readonly policySha256: string; readonly effects: readonly (string)[]; readonly relations: readonly ({ readonly name: string; readonly access: "read" | "write"; })[]; readonly outputs: readonly ({ readonly name: string; readonly classes: readonly (string)[]; readonly mask: string; })[]; readonly unbounded: boolean; /** What it would do; null until it is known, and always for its requester */
readonly preview: { /** By the target's planner; null = unknown */
readonly estimatedRows: number | null; /** By a trial run that was rolled back; null = not counted */
readonly affectedRows: number | null; /** Why a write was not counted */
readonly notCounted: "switched-off" | "statement" | "session" | "tokens" | "too-many-rows" | "trigger" | "rule" | "view" | "foreign-table" | "default" | "volatile-function" | "cascade" | "deferred-constraint" | "code" | "busy" | "failed" | null; /** Whether its rows were sampled, or why not; `gone`: not kept any longer */
readonly sampling: "taken" | "statement" | "protected" | "failed" | "gone" | null; } | null; readonly rules: readonly (string)[]; readonly say: string | null; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; readonly forMs: number | null; })[]; /** How often it ran so far, where it may run until it expires; null = it may run once */
readonly uses: number | null; readonly createdAt: string; readonly expiresAt: string; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; })[]; };
  };
  /** Server-sent events: `approval` with the new state after every change */
  readonly 'GET /v1/approvals/events': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  readonly 'GET /v1/approvals/{id}': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired" | "cancelled" | "used"; readonly session: string; readonly target: string; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly action: string; /** Redacted: every constant and comment replaced */
readonly statement: string | null; readonly statementSha256: string; readonly policySha256: string; readonly effects: readonly (string)[]; readonly relations: readonly ({ readonly name: string; readonly access: "read" | "write"; })[]; readonly outputs: readonly ({ readonly name: string; readonly classes: readonly (string)[]; readonly mask: string; })[]; readonly unbounded: boolean; /** What it would do; null until it is known, and always for its requester */
readonly preview: { /** By the target's planner; null = unknown */
readonly estimatedRows: number | null; /** By a trial run that was rolled back; null = not counted */
readonly affectedRows: number | null; /** Why a write was not counted */
readonly notCounted: "switched-off" | "statement" | "session" | "tokens" | "too-many-rows" | "trigger" | "rule" | "view" | "foreign-table" | "default" | "volatile-function" | "cascade" | "deferred-constraint" | "code" | "busy" | "failed" | null; /** Whether its rows were sampled, or why not; `gone`: not kept any longer */
readonly sampling: "taken" | "statement" | "protected" | "failed" | "gone" | null; } | null; readonly rules: readonly (string)[]; readonly say: string | null; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; readonly forMs: number | null; })[]; /** How often it ran so far, where it may run until it expires; null = it may run once */
readonly uses: number | null; readonly createdAt: string; readonly expiresAt: string; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; /** Some rows that an UPDATE or DELETE would change, protected columns masked; only for those who may answer, while they may */
readonly sample: { readonly columns: readonly ({ readonly name: string; readonly type: string; readonly classes: readonly (string)[]; readonly shown: "value" | "length" | "masked"; readonly isKey: boolean; readonly isAssigned: boolean; })[]; readonly columnsLeftOut: number; /** `before` and `after` are of one row */
readonly isPaired: boolean; readonly rows: readonly ({ readonly before: readonly (string | null)[] | null; readonly after: readonly (string | null)[] | null; })[]; } | null; };
  };
  /** Approve or deny once; the requester never approves */
  readonly 'POST /v1/approvals/{id}/answer': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { readonly verdict: "approve" | "deny"; /** Kept sealed, never in the log */
readonly justification?: string; /** Approves every use of the same request within this time; absent = one use */
readonly forMs?: number; };
    readonly answer: { readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired" | "cancelled" | "used"; readonly session: string; readonly target: string; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly action: string; /** Redacted: every constant and comment replaced */
readonly statement: string | null; readonly statementSha256: string; readonly policySha256: string; readonly effects: readonly (string)[]; readonly relations: readonly ({ readonly name: string; readonly access: "read" | "write"; })[]; readonly outputs: readonly ({ readonly name: string; readonly classes: readonly (string)[]; readonly mask: string; })[]; readonly unbounded: boolean; /** What it would do; null until it is known, and always for its requester */
readonly preview: { /** By the target's planner; null = unknown */
readonly estimatedRows: number | null; /** By a trial run that was rolled back; null = not counted */
readonly affectedRows: number | null; /** Why a write was not counted */
readonly notCounted: "switched-off" | "statement" | "session" | "tokens" | "too-many-rows" | "trigger" | "rule" | "view" | "foreign-table" | "default" | "volatile-function" | "cascade" | "deferred-constraint" | "code" | "busy" | "failed" | null; /** Whether its rows were sampled, or why not; `gone`: not kept any longer */
readonly sampling: "taken" | "statement" | "protected" | "failed" | "gone" | null; } | null; readonly rules: readonly (string)[]; readonly say: string | null; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; readonly forMs: number | null; })[]; /** How often it ran so far, where it may run until it expires; null = it may run once */
readonly uses: number | null; readonly createdAt: string; readonly expiresAt: string; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; };
  };
  /** Newest signed checkpoint and the number of durable entries */
  readonly 'GET /v1/audit/checkpoint': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly size: number; readonly checkpoint: string | null; };
  };
  /** Entries in log order, narrowed down. Auditors only */
  readonly 'GET /v1/audit/entries': {
    readonly path: undefined;
    readonly query: { readonly from?: number; readonly limit?: number; readonly type?: "log.opened" | "log.closed" | "heartbeat" | "config.changed" | "policy.applied" | "policy.sampled" | "key.rotated" | "auth.ok" | "auth.fail" | "auth.end" | "session.open" | "session.close" | "session.ended" | "request.intent" | "request.result" | "request.denied" | "request.held" | "approval.requested" | "approval.preview" | "approval.answered" | "approval.expired" | "approval.used" | "grant.requested" | "grant.answered" | "grant.opened" | "grant.ended" | "breakglass.opened" | "breakglass.ended" | "breakglass.reviewed" | "delegation.opened" | "delegation.ended" | "lock.set" | "lock.lifted" | "review.signed" | "unseal.requested" | "unseal.answered" | "payload.unsealed" | "payload.shredded" | "log.pruned" | "connector.up" | "connector.down" | "alarm" | "evidence.exported" | "subject.searched"; readonly session?: string; readonly principal?: string; readonly since?: string; readonly until?: string; };
    readonly body: undefined;
    readonly answer: { readonly entries: readonly ({ readonly v: 1; readonly seq: number; readonly ts: string; readonly type: string; readonly replica: string; } & Readonly<Record<string, unknown>>)[]; readonly size: number; /** The `from` of the next page */
readonly next: number; /** Nothing that passes lies behind this page now. A page may be empty and not the last */
readonly isLast: boolean; };
  };
  /** Builds the index of sessions anew from the log: lines of JSON with progress, then the result. Operators only */
  readonly 'POST /v1/audit/reindex': {
    readonly path: undefined;
    readonly query: { readonly progress?: "true"; };
    readonly body: undefined;
    readonly answer: unknown;
  };
  /** Head, checkpoint, anchors and last heartbeat. Auditors and operators */
  readonly 'GET /v1/audit/status': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly replica: string; /** Durable entries */
readonly size: number; readonly isWritable: boolean; /** The newest signed one */
readonly checkpoint: { readonly origin: string; /** Entries under it */
readonly size: number; /** Base64 */
readonly root: string; /** The signed note */
readonly note: string; } | null; /** The newest; one is written every 60 seconds */
readonly heartbeat: { readonly seq: number; readonly at: string; } | null; /** Witnesses are among them, by their kind */
readonly anchors: readonly ({ readonly name: string; readonly kind: "file" | "https" | "witness" | "tsa"; /** Entries under the newest checkpoint that it has; 0 = none since the start */
readonly size: number; /** For how long there has been a checkpoint that it does not have */
readonly lagMs: number; /** When it took a checkpoint last; null = not since the start */
readonly keptAt: string | null; /** That stand: `anchor-behind`, `anchor-rollback`, `anchor-fork` */
readonly alarms: readonly (string)[]; })[]; };
  };
  /** Delegations in force: all with an oversight right, else those the caller gave, has, or shares the role of */
  readonly 'GET /v1/delegations': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly delegations: readonly ({ readonly id: string; readonly role: string; readonly from: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly to: { readonly issuer: string; readonly subject: string; }; readonly createdAt: string; readonly expiresAt: string; })[]; };
  };
  /** Lends a role of the caller to a person, for answering only */
  readonly 'POST /v1/delegations': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly role: string; readonly to: { readonly issuer: string; readonly subject: string; }; readonly durationMs: number; };
    readonly answer: { readonly id: string; readonly role: string; readonly from: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly to: { readonly issuer: string; readonly subject: string; }; readonly createdAt: string; readonly expiresAt: string; };
  };
  readonly 'POST /v1/delegations/{id}/end': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly ended: true; };
  };
  /** Server-sent events: approval, grant, session, policy, log, lock; resumed by Last-Event-ID; `reset` = read everything again */
  readonly 'GET /v1/events': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  /** Evidence bundle of a time range as a ZIP. Auditors only; leaves an entry in the log */
  readonly 'GET /v1/evidence/export': {
    readonly path: undefined;
    readonly query: { readonly from: string; readonly to: string; readonly issuer?: string; readonly subject?: string; readonly target?: string; };
    readonly body: undefined;
    readonly answer: unknown;
  };
  /** Grants the caller may see, newest first */
  readonly 'GET /v1/grants': {
    readonly path: undefined;
    readonly query: { readonly state?: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly review?: "owed" | "done"; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly grants: readonly ({ readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; })[]; };
  };
  /** Asks for access; break-glass has it at once */
  readonly 'POST /v1/grants': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly target: string; readonly kind?: "on-request" | "break-glass"; /** Needed when several roles offer it */
readonly role?: string; /** Default: all that is offered */
readonly effects?: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** `schema.relation`, or `DATABASE.SCHEMA.RELATION` on Snowflake, with * ; default: all */
readonly relations?: readonly (string)[]; readonly rowsPerHour?: number; /** From the moment it opens */
readonly durationMs: number; /** Kept sealed, never in the log */
readonly reason: string; };
    readonly answer: { readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; };
  };
  /** Access that the caller may ask for */
  readonly 'GET /v1/grants/offers': {
    readonly path: undefined;
    readonly query: { readonly target?: string; };
    readonly body: undefined;
    readonly answer: { readonly offers: readonly ({ readonly target: string; readonly kind: "on-request" | "break-glass"; readonly role: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; readonly maxDurationMs: number; /** Who answers; of break-glass, who reviews */
readonly approvers: { readonly role: string; readonly count: number; }; })[]; };
  };
  readonly 'GET /v1/grants/{id}': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; };
  };
  readonly 'POST /v1/grants/{id}/answer': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { readonly verdict: "approve" | "deny"; /** Kept sealed, never in the log */
readonly justification?: string; };
    readonly answer: { readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; };
  };
  /** Ends the review that break-glass owes */
  readonly 'POST /v1/grants/{id}/review': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { /** Kept sealed, never in the log */
readonly finding: string; };
    readonly answer: { readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; };
  };
  /** Takes a grant back; its sessions have been told to end when this answers */
  readonly 'POST /v1/grants/{id}/revoke': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { /** Kept sealed, never in the log */
readonly reason?: string; };
    readonly answer: { readonly id: string; readonly kind: "on-request" | "break-glass"; readonly state: "requested" | "active" | "denied" | "revoked" | "expired" | "ended"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly role: string; readonly target: string; readonly effects: readonly ("read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin")[]; /** Null = all */
readonly relations: readonly (string)[] | null; readonly rowsPerHour: number | null; readonly durationMs: number; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; /** Whose right it was */
readonly lentBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; })[]; readonly policySha256: string; readonly requestedAt: string; readonly answerBy: string; readonly openedAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null; readonly end: string | null; readonly endedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly review: "none" | "owed" | "done"; readonly reviewedBy: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly reviewedAt: string | null; /** Whether the caller could answer it now */
readonly mayAnswer: boolean; readonly mayRevoke: boolean; readonly mayReview: boolean; };
  };
  /** Locks that stand, oldest first */
  readonly 'GET /v1/locks': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly locks: readonly ({ readonly kind: "principal" | "role" | "target"; /** A role, a target, or issuer/subject with both parts percent-encoded */
readonly name: string; readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly at: string; })[]; };
  };
  /** Locks; live sessions have been told to end when this answers */
  readonly 'POST /v1/locks': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly kind: "principal" | "role" | "target"; readonly name: string; /** Kept sealed, never in the log */
readonly reason?: string; };
    readonly answer: { readonly kind: "principal" | "role" | "target"; /** A role, a target, or issuer/subject with both parts percent-encoded */
readonly name: string; readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly at: string; };
  };
  readonly 'POST /v1/locks/lift': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly kind: "principal" | "role" | "target"; readonly name: string; /** Kept sealed, never in the log */
readonly reason?: string; };
    readonly answer: { readonly lifted: true; };
  };
  /** Channels and the notifications queued and sent lately, newest first. Operators only */
  readonly 'GET /v1/notifications': {
    readonly path: undefined;
    readonly query: { readonly channel?: string; readonly state?: "queued" | "sent" | "failed" | "superseded"; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly channels: readonly ({ readonly name: string; readonly kind: string; readonly queued: number; })[]; readonly notifications: readonly ({ readonly id: string; readonly channel: string; /** What happened, e.g. approval.requested */
readonly kind: string; /** Id of the approval or other thing */
readonly about: string; readonly state: "queued" | "sent" | "failed" | "superseded"; /** Failed attempts */
readonly attempts: number; /** Why the last attempt failed */
readonly fault: string | null; readonly createdAt: string; readonly nextAttemptAt: string | null; readonly settledAt: string | null; })[]; };
  };
  /** Interactivity request URL for Slack; proven by X-Slack-Signature */
  readonly 'POST /v1/notifications/channels/{channel}/slack': {
    readonly path: { readonly channel: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: unknown;
  };
  /** Send a made-up notification now and tell what came of it. Operators only */
  readonly 'POST /v1/notifications/channels/{channel}/test': {
    readonly path: { readonly channel: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly channel: string; readonly sent: boolean; readonly fault: string | null; };
  };
  /** Statements, holds, refusals, masked cells and classes over time; own ones only without an oversight role */
  readonly 'GET /v1/overview': {
    readonly path: undefined;
    readonly query: { readonly since?: string; readonly until?: string; readonly buckets?: number; };
    readonly body: undefined;
    readonly answer: { readonly since: string; /** Exclusive */
readonly until: string; readonly stepMs: number; readonly scope: "all" | "own"; readonly totals: { /** Let through or denied; a held one counts when that is settled */
readonly statements: number; readonly held: number; readonly denied: number; readonly rows: number; readonly maskedCells: number; }; /** Steps with any activity, oldest first */
readonly points: readonly ({ /** Beginning of the step */
readonly at: string; /** Let through or denied; a held one counts when that is settled */
readonly statements: number; readonly held: number; readonly denied: number; readonly rows: number; readonly maskedCells: number; })[]; readonly principals: readonly ({ readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; /** Let through or denied; a held one counts when that is settled */
readonly statements: number; readonly held: number; readonly denied: number; readonly rows: number; readonly maskedCells: number; /** That came out, masked or not */
readonly classes: readonly (string)[]; readonly points: readonly ({ /** Beginning of the step */
readonly at: string; /** Let through or denied; a held one counts when that is settled */
readonly statements: number; readonly held: number; readonly denied: number; readonly rows: number; readonly maskedCells: number; })[]; })[]; readonly targets: readonly ({ readonly target: string; /** Let through or denied; a held one counts when that is settled */
readonly statements: number; readonly held: number; readonly denied: number; readonly rows: number; readonly maskedCells: number; readonly lastUsedAt: string; })[]; readonly classes: readonly ({ readonly class: string; /** Cells */
readonly masked: number; /** Cells */
readonly clear: number; })[]; readonly live: readonly ({ readonly target: string; readonly sessions: number; })[]; /** Those the caller may see; at most 1000 */
readonly pendingApprovals: number; readonly connectors: readonly ({ readonly name: string; readonly protocol: string; /** Shown to operators and auditors only */
readonly address: string | null; readonly catalogue: "ready" | "loading" | "unavailable"; readonly catalogueVersion: string | null; readonly protectedColumns: number; })[]; /** For auditors and operators only */
readonly gateway: { readonly replica: string; readonly log: { readonly size: number; readonly isWritable: boolean; }; readonly siem: readonly ({ readonly name: string; readonly kind: string; /** Log index of the first entry that was not taken */
readonly next: number; readonly lag: number; /** Since the start */
readonly sent: number; readonly failures: number; readonly fault: string | null; })[]; readonly anchors: readonly ({ readonly name: string; readonly kind: "file" | "https" | "witness" | "tsa"; /** Entries under the newest checkpoint that it has; 0 = none since the start */
readonly size: number; /** For how long there has been a checkpoint that it does not have */
readonly lagMs: number; /** When it took a checkpoint last; null = not since the start */
readonly keptAt: string | null; /** That stand: `anchor-behind`, `anchor-rollback`, `anchor-fork` */
readonly alarms: readonly (string)[]; })[]; } | null; };
  };
  /** The policy in force; its text is for auditors and operators */
  readonly 'GET /v1/policy': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly sha256: string; readonly files: readonly ({ readonly path: string; readonly source: string; })[] | null; };
  };
  /** Brings a policy into force after all checks and its own tests. Operators only */
  readonly 'POST /v1/policy/apply': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { /** Absent: those of the configuration, read anew */
readonly files?: readonly ({ readonly path: string; readonly source: string; })[]; /** Refuse when another version is in force by now */
readonly expected?: string; /** Do not run the policy's own tests; recorded */
readonly skipTests?: boolean; };
    readonly answer: { readonly ok: boolean; /** null = it does not load */
readonly sha256: string | null; readonly previous: string | null; readonly isChanged: boolean; readonly diff: { readonly isEqual: boolean; /** There are more changes of masks than are listed */
readonly isCut: boolean; readonly roles: readonly ({ readonly role: string; readonly change: "added" | "removed" | "changed"; readonly joins: readonly (string)[]; readonly leaves: readonly (string)[]; })[]; readonly access: readonly ({ readonly role: string; readonly targets: readonly (string)[]; readonly how: string; readonly gains: readonly (string)[]; readonly loses: readonly (string)[]; })[]; readonly classes: readonly ({ readonly class: string; readonly change: "added" | "removed" | "changed"; readonly columnsAdded: readonly (string)[]; readonly columnsRemoved: readonly (string)[]; readonly predicates: { readonly from: string; readonly to: string; } | null; /** Columns that say whose data it is; empty = none */
readonly subjects: { readonly from: string; readonly to: string; } | null; })[]; readonly masks: readonly ({ /** null = everybody whose roles no mask entry names */
readonly role: string | null; readonly targets: readonly (string)[]; readonly class: string; /** none = the class is not declared */
readonly from: string; readonly to: string; readonly change: "reveals" | "hides"; })[]; readonly rules: readonly ({ readonly rule: string; readonly change: "added" | "removed" | "changed"; readonly then: "allow" | "hold" | "deny"; readonly fields: readonly ({ readonly field: string; readonly from: string; readonly to: string; })[]; })[]; } | null; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; readonly tests: readonly ({ readonly name: string; readonly place: { readonly file: string; readonly line: number; readonly column: number; }; readonly passed: boolean; readonly differences: readonly (string)[]; })[]; };
  };
  /** Checks policy files against their schema and the live catalogues. For auditors and operators */
  readonly 'POST /v1/policy/check': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { /** Absent: the policy in force */
readonly files?: readonly ({ readonly path: string; readonly source: string; })[]; /** Propose classes for columns that look protected; by-sample reads some rows of every table, which is recorded */
readonly proposals?: "none" | "by-name" | "by-sample"; };
    readonly answer: { readonly ok: boolean; readonly sha256: string | null; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; readonly proposals: readonly ({ readonly column: string; readonly class: string; /** The policy has a class of that name */
readonly isDeclared: boolean; /** Counts and words, never a value */
readonly evidence: string; readonly byName: string | null; readonly byContent: { readonly kind: string; readonly matched: number; readonly of: number; } | null; })[]; readonly notes: readonly (string)[]; };
  };
  /** Which roles gain or lose what between two policies. For auditors and operators */
  readonly 'POST /v1/policy/diff': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { /** A policy */
readonly from?: { readonly kind: "running"; } | { readonly kind: "configured"; } | { readonly kind: "version"; readonly sha256: string; } | { readonly kind: "files"; readonly files: readonly ({ readonly path: string; readonly source: string; })[]; }; /** A policy */
readonly to: { readonly kind: "running"; } | { readonly kind: "configured"; } | { readonly kind: "version"; readonly sha256: string; } | { readonly kind: "files"; readonly files: readonly ({ readonly path: string; readonly source: string; })[]; }; };
    readonly answer: { readonly ok: boolean; readonly from: string | null; readonly to: string | null; readonly diff: { readonly isEqual: boolean; /** There are more changes of masks than are listed */
readonly isCut: boolean; readonly roles: readonly ({ readonly role: string; readonly change: "added" | "removed" | "changed"; readonly joins: readonly (string)[]; readonly leaves: readonly (string)[]; })[]; readonly access: readonly ({ readonly role: string; readonly targets: readonly (string)[]; readonly how: string; readonly gains: readonly (string)[]; readonly loses: readonly (string)[]; })[]; readonly classes: readonly ({ readonly class: string; readonly change: "added" | "removed" | "changed"; readonly columnsAdded: readonly (string)[]; readonly columnsRemoved: readonly (string)[]; readonly predicates: { readonly from: string; readonly to: string; } | null; /** Columns that say whose data it is; empty = none */
readonly subjects: { readonly from: string; readonly to: string; } | null; })[]; readonly masks: readonly ({ /** null = everybody whose roles no mask entry names */
readonly role: string | null; readonly targets: readonly (string)[]; readonly class: string; /** none = the class is not declared */
readonly from: string; readonly to: string; readonly change: "reveals" | "hides"; })[]; readonly rules: readonly ({ readonly rule: string; readonly change: "added" | "removed" | "changed"; readonly then: "allow" | "hold" | "deny"; readonly fields: readonly ({ readonly field: string; readonly from: string; readonly to: string; })[]; })[]; } | null; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; };
  };
  /** What would happen to a statement, and why. Nothing is run */
  readonly 'POST /v1/policy/explain': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly sql: string; readonly target: string; readonly as?: { readonly issuer: string; readonly subject: string; readonly kind?: "person" | "agent" | "service"; readonly groups?: readonly (string)[]; }; };
    readonly answer: { readonly target: string; readonly as: { readonly issuer: string; readonly subject: string; readonly kind: string; readonly groups: readonly (string)[]; }; readonly decision: { readonly outcome: "allow" | "hold" | "deny"; readonly reasons: readonly (string)[]; readonly rules: readonly (string)[]; readonly roles: readonly (string)[]; readonly policySha256: string; readonly say: string | null; readonly approvers: { readonly role: string; readonly count: number; } | null; readonly withinMs: number | null; }; readonly facts: { readonly verbs: readonly (string)[]; readonly statements: number; readonly effects: readonly (string)[]; readonly relations: readonly ({ readonly name: string; readonly access: string; })[]; readonly columns: readonly (string)[]; readonly classes: readonly (string)[]; readonly outputClasses: readonly (string)[]; readonly predicateClasses: readonly (string)[]; readonly unbounded: boolean; readonly limit: number | null; readonly unknowns: readonly ({ readonly code: string; readonly what: string; readonly remedy: string; })[]; readonly normalised: string | null; readonly fingerprint: string | null; }; readonly outputs: readonly ({ readonly name: string; readonly sources: readonly (string)[]; readonly classes: readonly (string)[]; /** How the column is shown: the strictest of the masks of its classes */
readonly mask: string; })[]; /** What the statement does and no access entry grants */
readonly missingEffects: readonly (string)[]; readonly rules: readonly ({ readonly rule: string; readonly then: "allow" | "hold" | "deny"; readonly outcome: "matched" | "not-matched" | "error"; readonly detail: string | null; readonly pack: string | null; /** Shown to auditors and operators only */
readonly when: string | null; /** Shown to auditors and operators only */
readonly place: { readonly file: string; readonly line: number; readonly column: number; } | null; })[]; readonly masks: readonly ({ readonly class: string; readonly mask: string; readonly why: string; })[]; /** What the target would be sent */
readonly forward: string | null; };
  };
  /** Versions that were in force, newest first. For auditors and operators */
  readonly 'GET /v1/policy/history': {
    readonly path: undefined;
    readonly query: { readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly inForce: string; readonly applications: readonly ({ readonly sha256: string; readonly at: string; readonly how: "start" | "apply" | "rollback"; /** null = whoever changed the files */
readonly by: { readonly issuer: string; readonly subject: string; readonly kind: string; } | null; readonly previous: string | null; /** In force instead of the files of the configuration */
readonly isInstead: boolean; /** null = the first one, or one of the two does not load any more */
readonly diff: { readonly isEqual: boolean; /** There are more changes of masks than are listed */
readonly isCut: boolean; readonly roles: readonly ({ readonly role: string; readonly change: "added" | "removed" | "changed"; readonly joins: readonly (string)[]; readonly leaves: readonly (string)[]; })[]; readonly access: readonly ({ readonly role: string; readonly targets: readonly (string)[]; readonly how: string; readonly gains: readonly (string)[]; readonly loses: readonly (string)[]; })[]; readonly classes: readonly ({ readonly class: string; readonly change: "added" | "removed" | "changed"; readonly columnsAdded: readonly (string)[]; readonly columnsRemoved: readonly (string)[]; readonly predicates: { readonly from: string; readonly to: string; } | null; /** Columns that say whose data it is; empty = none */
readonly subjects: { readonly from: string; readonly to: string; } | null; })[]; readonly masks: readonly ({ /** null = everybody whose roles no mask entry names */
readonly role: string | null; readonly targets: readonly (string)[]; readonly class: string; /** none = the class is not declared */
readonly from: string; readonly to: string; readonly change: "reveals" | "hides"; })[]; readonly rules: readonly ({ readonly rule: string; readonly change: "added" | "removed" | "changed"; readonly then: "allow" | "hold" | "deny"; readonly fields: readonly ({ readonly field: string; readonly from: string; readonly to: string; })[]; })[]; } | null; })[]; };
  };
  /** What each role may do on each target, and how it sees each class. For auditors and operators */
  readonly 'GET /v1/policy/matrix': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly sha256: string; readonly roles: readonly ({ readonly role: string; readonly members: readonly (string)[]; })[]; readonly classes: readonly (string)[]; readonly targets: readonly (string)[]; readonly rules: readonly ({ readonly rule: string; readonly then: "allow" | "hold" | "deny"; readonly when: string; readonly pack: string | null; })[]; /** Roles on targets where they have anything */
readonly cells: readonly ({ readonly role: string; readonly target: string; readonly effects: readonly ({ readonly effect: "read" | "write" | "ddl" | "copy-in" | "copy-out" | "call" | "admin"; /** Of a plain statement with this effect alone: rules that ask for more are in `rules` */
readonly outcome: "allow" | "hold" | "deny"; /** What gives the effect */
readonly by: "standing" | "on-request" | "break-glass" | null; readonly rules: readonly (string)[]; })[]; /** Class -> mask */
readonly masks: Readonly<Record<string, string>>; })[]; readonly isCut: boolean; };
  };
  /** Decides every recorded request of a period again under another policy. For auditors and operators */
  readonly 'POST /v1/policy/replay': {
    readonly path: undefined;
    readonly query: { readonly progress?: string; };
    readonly body: { /** A policy */
readonly policy: { readonly kind: "running"; } | { readonly kind: "configured"; } | { readonly kind: "version"; readonly sha256: string; } | { readonly kind: "files"; readonly files: readonly ({ readonly path: string; readonly source: string; })[]; }; readonly since: string; /** Exclusive; absent = now */
readonly until?: string; readonly target?: string; readonly principal?: { readonly issuer: string; readonly subject: string; }; };
    readonly answer: { readonly ok: boolean; readonly report: { readonly policySha256: string; readonly requests: number; readonly unchanged: number; readonly changes: { readonly held: number; readonly denied: number; readonly allowed: number; readonly approvers: number; readonly masked: number; readonly revealed: number; }; /** Requests that cannot be decided again, by reason */
readonly unknown: readonly ({ readonly reason: string; readonly count: number; /** Log index of one */
readonly example: number; })[]; readonly groups: readonly ({ readonly kind: "held" | "denied" | "allowed" | "approvers" | "masked" | "revealed"; readonly target: string; /** Redacted; null = it could not be lexed */
readonly statement: string | null; readonly count: number; readonly principals: readonly (string)[]; readonly principalCount: number; /** Log index of one */
readonly example: number; readonly from: { readonly outcome: "allow" | "hold" | "deny"; readonly reasons: readonly (string)[]; readonly rules: readonly (string)[]; }; readonly to: { readonly outcome: "allow" | "hold" | "deny"; readonly reasons: readonly (string)[]; readonly rules: readonly (string)[]; }; readonly masks: readonly ({ readonly of: string; readonly from: string; readonly to: string; })[]; })[]; /** Changes in groups that are not listed */
readonly ungrouped: number; } | null; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; };
  };
  /** Brings an earlier version into force, through the same checks. Operators only */
  readonly 'POST /v1/policy/rollback': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly sha256: string; /** Refuse when another version is in force by now */
readonly expected?: string; /** Do not run the policy's own tests; recorded */
readonly skipTests?: boolean; };
    readonly answer: { readonly ok: boolean; /** null = it does not load */
readonly sha256: string | null; readonly previous: string | null; readonly isChanged: boolean; readonly diff: { readonly isEqual: boolean; /** There are more changes of masks than are listed */
readonly isCut: boolean; readonly roles: readonly ({ readonly role: string; readonly change: "added" | "removed" | "changed"; readonly joins: readonly (string)[]; readonly leaves: readonly (string)[]; })[]; readonly access: readonly ({ readonly role: string; readonly targets: readonly (string)[]; readonly how: string; readonly gains: readonly (string)[]; readonly loses: readonly (string)[]; })[]; readonly classes: readonly ({ readonly class: string; readonly change: "added" | "removed" | "changed"; readonly columnsAdded: readonly (string)[]; readonly columnsRemoved: readonly (string)[]; readonly predicates: { readonly from: string; readonly to: string; } | null; /** Columns that say whose data it is; empty = none */
readonly subjects: { readonly from: string; readonly to: string; } | null; })[]; readonly masks: readonly ({ /** null = everybody whose roles no mask entry names */
readonly role: string | null; readonly targets: readonly (string)[]; readonly class: string; /** none = the class is not declared */
readonly from: string; readonly to: string; readonly change: "reveals" | "hides"; })[]; readonly rules: readonly ({ readonly rule: string; readonly change: "added" | "removed" | "changed"; readonly then: "allow" | "hold" | "deny"; readonly fields: readonly ({ readonly field: string; readonly from: string; readonly to: string; })[]; })[]; } | null; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; readonly tests: readonly ({ readonly name: string; readonly place: { readonly file: string; readonly line: number; readonly column: number; }; readonly passed: boolean; readonly differences: readonly (string)[]; })[]; };
  };
  /** Runs the tests in the policy files. For auditors and operators */
  readonly 'POST /v1/policy/test': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { /** Absent: the policy in force */
readonly files?: readonly ({ readonly path: string; readonly source: string; })[]; };
    readonly answer: { readonly ok: boolean; readonly faults: readonly ({ readonly file: string; readonly line: number; readonly column: number; readonly severity: "error" | "warning"; readonly path: string; readonly what: string; readonly suggestion: string | null; })[]; readonly tests: readonly ({ readonly name: string; readonly place: { readonly file: string; readonly line: number; readonly column: number; }; readonly passed: boolean; readonly differences: readonly (string)[]; })[]; };
  };
  /** Everything that gives access, and when it was last used */
  readonly 'GET /v1/recertification': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { /** Of the items as JSON; the decision names it */
readonly sha256: string; readonly asOf: string; readonly items: readonly ({ readonly item: string; readonly kind: "standing" | "on-request" | "break-glass" | "grant"; readonly role: string; readonly targets: readonly (string)[]; readonly effects: readonly (string)[]; /** A member entry of the policy, or the holder of a grant */
readonly who: string; /** Null = by no session that the index has */
readonly lastUsedAt: string | null; readonly usedBy: readonly (string)[]; readonly expiresAt: string | null; })[]; };
  };
  /** Signs a decision about every item of a list; grants that are not kept end */
  readonly 'POST /v1/recertification': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly sha256: string; readonly decisions: Readonly<Record<string, "keep" | "revoke">>; /** Kept sealed, never in the log */
readonly note?: string; };
    readonly answer: { readonly kept: number; readonly revoked: number; readonly grantsEnded: readonly (string)[]; };
  };
  /** What of a period nobody has a copy of or has reviewed */
  readonly 'GET /v1/reports/coverage': {
    readonly path: undefined;
    readonly query: { readonly since: string; readonly until?: string; };
    readonly body: undefined;
    readonly answer: { readonly entries: { readonly from: number; /** Exclusive */
readonly to: number; }; readonly anchors: readonly ({ readonly name: string; readonly kind: string; readonly from: number; /** Exclusive */
readonly upTo: number; })[]; /** Entries that no copy elsewhere has */
readonly notAnchored: number; readonly notReviewed: readonly ({ readonly from: number; /** Exclusive */
readonly to: number; })[]; readonly reviews: { readonly records: number; readonly access: number; readonly breakGlass: number; }; readonly breakGlass: number; readonly alarms: number; readonly targets: readonly ({ readonly name: string; readonly requests: number; readonly denied: number; readonly notAnchored: number; readonly notReviewed: number; })[]; readonly principals: readonly ({ readonly name: string; readonly requests: number; readonly denied: number; readonly notAnchored: number; readonly notReviewed: number; })[]; readonly failedLogIns: { readonly count: number; readonly byFault: Readonly<Record<string, number>>; readonly byAddress: readonly ({ readonly address: string; readonly count: number; })[]; }; readonly silences: readonly ({ readonly seq: number; readonly from: string; readonly to: string; readonly seconds: number; readonly kind: "stopped" | "crashed" | "silent"; })[]; };
  };
  /** What principals who are gone had and used, and what of it still stands */
  readonly 'POST /v1/reports/leavers': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly principals: readonly ({ readonly issuer: string; readonly subject: string; })[]; };
    readonly answer: { readonly leavers: readonly ({ readonly issuer: string; readonly subject: string; /** Nothing is open, or a lock keeps all of it out */
readonly isClear: boolean; readonly isLocked: boolean; readonly groups: readonly (string)[] | null; readonly used: { readonly sessions: number; readonly requests: number; readonly denied: number; readonly rows: number; readonly targets: readonly (string)[]; readonly firstAt: string | null; readonly lastAt: string | null; }; /** Agents that acted for them */
readonly actedFor: readonly (string)[]; readonly open: { readonly sessions: readonly ({ readonly id: string; readonly target: string; readonly openedAt: string; })[]; readonly grants: readonly ({ readonly id: string; readonly role: string; readonly target: string; readonly state: string; readonly expiresAt: string | null; })[]; readonly approvals: readonly (string)[]; readonly delegations: readonly ({ readonly id: string; readonly role: string; readonly isLender: boolean; readonly expiresAt: string; })[]; }; readonly reviewsOwed: readonly (string)[]; })[]; };
  };
  /** Reviews signed in a period, newest first */
  readonly 'GET /v1/reviews': {
    readonly path: undefined;
    readonly query: { readonly since: string; readonly until?: string; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly reviews: readonly ({ readonly seq: number; readonly at: string; readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly kind: "records" | "access" | "break-glass"; readonly range: { readonly from: number; /** Exclusive */
readonly to: number; } | null; readonly subject: string | null; /** What was found is in the sealed store */
readonly isSealed: boolean; })[]; };
  };
  /** Signs that the entries of a period were reviewed */
  readonly 'POST /v1/reviews': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly since: string; /** Exclusive; absent = now */
readonly until?: string; /** Kept sealed, never in the log */
readonly finding: string; };
    readonly answer: { /** Log index of the review */
readonly seq: number; readonly range: { readonly from: number; /** Exclusive */
readonly to: number; readonly denied: number; readonly failedLogIns: number; readonly alarms: number; readonly breakGlass: number; }; };
  };
  /** Sessions, newest first; only own ones without an oversight role */
  readonly 'GET /v1/sessions': {
    readonly path: undefined;
    readonly query: { readonly target?: string; readonly live?: "true" | "false"; readonly principal?: string; readonly class?: string; readonly decision?: "allowed" | "held" | "denied"; readonly since?: string; readonly until?: string; readonly before?: number; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly sessions: readonly ({ readonly id: string; readonly target: string; readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly openedAt: string; readonly closedAt: string | null; readonly closeReason: string | null; readonly statements: number; readonly denied: number; readonly held: number; readonly rows: number; /** Log index of its first entry; the `before` of the next page */
readonly openIndex: number; /** Released rows times masked columns */
readonly maskedCells: number; /** Classes that came out, masked or not */
readonly classes: readonly (string)[]; readonly lastActivityAt: string; /** `waiting`: its newest statement waits for an approval */
readonly state: "live" | "waiting" | "closed"; })[]; readonly next: number | null; };
  };
  /** One session with its log entries */
  readonly 'GET /v1/sessions/{id}': {
    readonly path: { readonly id: string; };
    readonly query: { readonly after?: number; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly id: string; readonly target: string; readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly openedAt: string; readonly closedAt: string | null; readonly closeReason: string | null; readonly statements: number; readonly denied: number; readonly held: number; readonly rows: number; /** Log index of its first entry; the `before` of the next page */
readonly openIndex: number; /** Released rows times masked columns */
readonly maskedCells: number; /** Classes that came out, masked or not */
readonly classes: readonly (string)[]; readonly lastActivityAt: string; /** `waiting`: its newest statement waits for an approval */
readonly state: "live" | "waiting" | "closed"; readonly entries: readonly ({ readonly v: 1; readonly seq: number; readonly ts: string; readonly type: string; readonly replica: string; } & Readonly<Record<string, unknown>>)[]; readonly next: number | null; };
  };
  /** Ends a live session: operators, and those whose session it is. It has been told to end when this answers */
  readonly 'POST /v1/sessions/{id}/end': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { /** Kept sealed, never in the log */
readonly reason?: string; } | null;
    readonly answer: { /** False: it was over already */
readonly ended: boolean; };
  };
  /** Sealed recording (ciphertext and wrapped keys). Auditors only; leaves an entry in the log */
  readonly 'POST /v1/sessions/{id}/recording': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { /** Why; kept sealed with the entry */
readonly purpose: string; /** Approved request; needed where a second person has to agree */
readonly unseal?: string; readonly after?: number; };
    readonly answer: { readonly session: { readonly id: string; readonly target: string; readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly openedAt: string; readonly closedAt: string | null; readonly closeReason: string | null; readonly statements: number; readonly denied: number; readonly held: number; readonly rows: number; /** Log index of its first entry; the `before` of the next page */
readonly openIndex: number; /** Released rows times masked columns */
readonly maskedCells: number; /** Classes that came out, masked or not */
readonly classes: readonly (string)[]; readonly lastActivityAt: string; /** `waiting`: its newest statement waits for an approval */
readonly state: "live" | "waiting" | "closed"; }; readonly items: readonly ({ readonly seq: number; readonly ts: string; readonly type: string; readonly intent: number | null; /** The payload as the log entry names it */
readonly sealed: { readonly kind: "statement" | "parameters" | "messages" | "result" | "justification"; /** Of the ciphertext */
readonly sha256: string; /** Length of the ciphertext */
readonly bytes: number; /** To the plaintext */
readonly commitment: string; /** Names the data key */
readonly key: string; }; /** Base64; null when the blob or its key was destroyed */
readonly ciphertext: string | null; readonly wrappedKey: string | null; })[]; readonly next: number | null; };
  };
  /** Where the export of the log is */
  readonly 'GET /v1/siem': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly destinations: readonly ({ readonly name: string; readonly kind: string; /** Log index of the first entry that was not taken */
readonly next: number; readonly lag: number; /** Since the start */
readonly sent: number; readonly failures: number; readonly fault: string | null; })[]; };
  };
  /** Has a destination go on elsewhere in the log; ends the stop after a rollback */
  readonly 'POST /v1/siem/{name}/reset': {
    readonly path: { readonly name: string; };
    readonly query: undefined;
    readonly body: { /** Log index of the next entry to be sent, or an end */
readonly from: "beginning" | "now" | number; };
    readonly answer: { readonly name: string; readonly kind: string; /** Log index of the first entry that was not taken */
readonly next: number; readonly lag: number; /** Since the start */
readonly sent: number; readonly failures: number; readonly fault: string | null; };
  };
  /** Whose data can be searched for, and by which columns */
  readonly 'GET /v1/subjects': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly subjects: readonly ({ readonly target: string; readonly name: string; readonly columns: readonly (string)[]; })[]; };
  };
  /** Requests that touched the data of one subject */
  readonly 'POST /v1/subjects/search': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly target: string; readonly subject: string; /** As it is in the target; kept sealed, never in the log */
readonly value: string; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; /** Kept sealed, never in the log */
readonly reason?: string; readonly since: string; /** Exclusive; absent = now */
readonly until?: string; /** Of certain and of possible ones, the newest */
readonly limit?: number; };
    readonly answer: { /** Log index of this search */
readonly seq: number; readonly target: string; readonly subject: string; readonly columns: readonly (string)[]; readonly entries: { readonly from: number; /** Exclusive */
readonly to: number; }; /** Requests that may touch any subject of this name */
readonly touching: number; /** Newest first */
readonly hits: readonly ({ /** Log index of the intent */
readonly seq: number; readonly at: string; readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly session: string; readonly action: string; /** Redacted */
readonly statement: string | null; readonly effects: readonly (string)[]; readonly relations: readonly (string)[]; readonly approval: string | null; readonly grant: string | null; readonly result: { readonly seq: number; readonly rows: number; readonly code: string; } | null; readonly how: readonly ("asked" | "returned")[]; })[]; readonly hitCount: number; /** May have touched this one; newest first */
readonly unsure: readonly ({ /** Log index of the intent */
readonly seq: number; readonly at: string; readonly principal: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly session: string; readonly action: string; /** Redacted */
readonly statement: string | null; readonly effects: readonly (string)[]; readonly relations: readonly (string)[]; readonly approval: string | null; readonly grant: string | null; readonly result: { readonly seq: number; readonly rows: number; readonly code: string; } | null; readonly why: "not-by-key" | "not-indexed" | "before-index"; })[]; readonly unsureCount: number; readonly indexedSince: { readonly seq: number; readonly at: string; } | null; /** Files of the index that were changed, or whose key is gone */
readonly damaged: readonly (string)[]; };
  };
  readonly 'GET /v1/targets': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly targets: readonly ({ readonly name: string; readonly protocol: string; /** Shown to operators and auditors only */
readonly address: string | null; readonly catalogue: "ready" | "loading" | "unavailable"; readonly catalogueVersion: string | null; readonly protectedColumns: number; })[]; };
  };
  readonly 'GET /v1/targets/{name}': {
    readonly path: { readonly name: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly name: string; readonly protocol: string; /** Shown to operators and auditors only */
readonly address: string | null; readonly catalogue: "ready" | "loading" | "unavailable"; readonly catalogueVersion: string | null; readonly protectedColumns: number; /** Own ones only, without oversight */
readonly liveSessions: number; /** Of own sessions, without oversight */
readonly lastUsedAt: string | null; /** The last change that the log has; null = none */
readonly reachable: { readonly state: "up" | "down"; readonly since: string; } | null; readonly connect: { /** Name of the target; the gateway knows which database that is */
readonly database: string; /** Any will do: who it is, the token says */
readonly user: string; /** A token of the identity provider */
readonly password: "token"; readonly listeners: readonly ({ readonly protocol: string; readonly host: string; readonly port: number; readonly isTls: boolean; })[]; }; };
  };
  /** Columns by schema and relation, with classes and how they are shown. No values */
  readonly 'GET /v1/targets/{name}/columns': {
    readonly path: { readonly name: string; };
    readonly query: { readonly search?: string; readonly schema?: string; readonly relation?: string; readonly protected?: "true" | "false"; readonly role?: string; readonly after?: string; readonly limit?: number; };
    readonly body: undefined;
    readonly answer: { readonly catalogueVersion: string | null; /** Columns that pass */
readonly total: number; /** Of those, how many have a class */
readonly protected: number; /** Of those that pass */
readonly schemas: readonly ({ readonly schema: string; readonly columns: number; readonly protected: number; })[]; readonly columns: readonly ({ readonly schema: string; readonly relation: string; readonly relationKind: "table" | "view" | "matview" | "foreign"; readonly column: string; readonly type: string; readonly classes: readonly ({ readonly class: string; /** `closure`: it holds values of a column that a rule names: view, partition, renamed */
readonly origin: "rule" | "closure"; /** Of the rule; for auditors and operators only */
readonly pattern: string | null; })[]; /** Mask that the viewer, or the role asked for, sees it through: `clear`, `redact`, ...; `denied` without access */
readonly shown: string; })[]; readonly next: string | null; };
  };
  /** Requests to open, newest first */
  readonly 'GET /v1/unseals': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly unseals: readonly ({ readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly session: string | null; readonly entry: number | null; readonly target: string; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; })[]; readonly createdAt: string; readonly expiresAt: string; })[]; };
  };
  /** Asks to open the sealed payloads of a session or an entry. Auditors only */
  readonly 'POST /v1/unseals': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: { readonly session?: string; readonly entry?: number; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; /** Kept sealed, never in the log */
readonly reason?: string; };
    readonly answer: { readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly session: string | null; readonly entry: number | null; readonly target: string; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; })[]; readonly createdAt: string; readonly expiresAt: string; };
  };
  readonly 'GET /v1/unseals/{id}': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly session: string | null; readonly entry: number | null; readonly target: string; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; })[]; readonly createdAt: string; readonly expiresAt: string; };
  };
  /** Answers a request of somebody else */
  readonly 'POST /v1/unseals/{id}/answer': {
    readonly path: { readonly id: string; };
    readonly query: undefined;
    readonly body: { readonly verdict: "approve" | "deny"; /** Kept sealed, never in the log */
readonly reason?: string; };
    readonly answer: { readonly id: string; readonly state: "pending" | "approved" | "denied" | "expired"; readonly requester: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly session: string | null; readonly entry: number | null; readonly target: string; readonly purpose: "audit" | "breach-investigation" | "incident-response" | "legal" | "patient-request" | "quality-review" | "treatment-dispute"; readonly approvers: { readonly role: string; readonly count: number; }; readonly answers: readonly ({ readonly by: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; }; readonly verdict: "approve" | "deny"; readonly at: string; })[]; readonly createdAt: string; readonly expiresAt: string; };
  };
  /** Ciphertext and wrapped keys, for whoever asked; each page is an entry in the log first */
  readonly 'GET /v1/unseals/{id}/payloads': {
    readonly path: { readonly id: string; };
    readonly query: { readonly after?: number; };
    readonly body: undefined;
    readonly answer: { readonly items: readonly ({ readonly seq: number; readonly ts: string; readonly type: string; readonly intent: number | null; /** The payload as the log entry names it */
readonly sealed: { readonly kind: "statement" | "parameters" | "messages" | "result" | "justification"; /** Of the ciphertext */
readonly sha256: string; /** Length of the ciphertext */
readonly bytes: number; /** To the plaintext */
readonly commitment: string; /** Names the data key */
readonly key: string; }; /** Base64; null when the blob or its key was destroyed */
readonly ciphertext: string | null; readonly wrappedKey: string | null; })[]; readonly next: number | null; };
  };
  readonly 'GET /v1/whoami': {
    readonly path: undefined;
    readonly query: undefined;
    readonly body: undefined;
    readonly answer: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; readonly name: string; readonly groups: readonly (string)[]; readonly onBehalfOf: { readonly issuer: string; readonly subject: string; readonly kind: "person" | "agent" | "service"; } | null; readonly roles: readonly (string)[]; readonly rights: readonly ("audit" | "operate" | "oversight")[]; readonly expiresAt: string; };
  };
}
