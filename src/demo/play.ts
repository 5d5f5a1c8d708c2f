// The demo's agent session: seven steps against the running gateway, each checked. An ordinary `pg` client and the
// public HTTP API are all it uses; what it prints is what they returned.

import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Stage } from './stage.ts';

export interface PlayContext {
  readonly gateway: { readonly host: string; readonly port: number; readonly ca: string };
  /** Direct connection as superuser: ground truth for the checks, never shown. */
  readonly direct: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
    readonly database: string;
  };
  readonly agentToken: string;
  readonly api: DemoApi;
  readonly stage: Stage;
  readonly verify: DemoVerify;
}

/** The HTTP API as the officer uses it. */
export interface DemoApi {
  pendingApproval(
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly statement: string | null; readonly rules: readonly string[] }>;
  approve(id: string): Promise<void>;
}

export interface DemoVerify {
  /** Lines of the replayed session, decrypted with the demo's sealing identity. */
  replay(): Promise<readonly string[]>;
  /** Verifies the live log. */
  log(): Promise<{ readonly ok: boolean; readonly size: number; readonly root: string }>;
  /** Copies the log, flips one byte of an entry in the copy and verifies the copy. */
  tamperedCopy(): Promise<{ readonly ok: boolean; readonly problem: string | null }>;
}

interface Answer {
  readonly fields: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

const analytics = `SELECT c.name AS clinic, e.kind, count(*) AS encounters, round(avg(e.minutes), 1) AS minutes
FROM encounters e JOIN clinics c ON c.id = e.clinic_id
GROUP BY c.name, e.kind ORDER BY encounters DESC, clinic, kind LIMIT 5`;
const masked = 'SELECT * FROM patients LIMIT 5';
const disguised = 'SELECT lower(ssn) AS hidden, row_to_json(p) AS whole_row FROM patients p WHERE id <= 2 ORDER BY id LIMIT 2';
const unbounded = 'SELECT id, name, dob, zip FROM patients ORDER BY id';
const drop = 'DROP TABLE patients';

/** Plays all steps. @returns the number of steps that did not hold. */
export async function play(context: PlayContext): Promise<number> {
  const { stage } = context;
  const agent = new pg.Client({
    host: context.gateway.host,
    port: context.gateway.port,
    database: 'clinic',
    user: 'reporting-agent',
    password: context.agentToken,
    ssl: { ca: context.gateway.ca, servername: 'localhost' },
    application_name: 'sallyport-demo',
    types: { getTypeParser: () => (text: string) => text },
  });
  const direct = new pg.Client({ ...context.direct, types: { getTypeParser: () => (text: string) => text } });
  const notices: string[] = [];
  agent.on('notice', (notice) => notices.push(notice.message ?? ''));
  await Promise.all([agent.connect(), direct.connect()]);
  try {
    const secrets = new Set(
      (await ask(direct, 'SELECT ssn, name, email, phone, mrn FROM patients')).rows.flat().filter((value) => value !== null),
    );
    const leaks = (answer: Answer): boolean => {
      const text = JSON.stringify(answer.rows);
      return (
        answer.rows.flat().some((value) => value !== null && secrets.has(value)) || [...secrets].some((secret) => text.includes(secret))
      );
    };

    stage.step('An ordinary analytics query goes through untouched', analytics);
    const [through, straight] = [await ask(agent, analytics), await ask(direct, analytics)];
    stage.table(through.fields, through.rows);
    stage.check('identical to what the database answers directly', digest(through) === digest(straight) && through.rows.length > 0);

    stage.step('A read of patients comes back masked', masked);
    const patients = await ask(agent, masked);
    stage.table(patients.fields, patients.rows);
    stage.check('5 rows, and none of the protected values is in them', patients.rows.length === 5 && !leaks(patients));

    stage.step('A disguised read is masked all the same', disguised);
    const hidden = await ask(agent, disguised);
    stage.table(hidden.fields, hidden.rows);
    stage.check('lower(ssn) and row_to_json(p) saw masks only', hidden.rows.length === 2 && !leaks(hidden));

    stage.step('An unbounded read of patients is held for the privacy officer', unbounded);
    const waiting = ask(agent, unbounded);
    waiting.catch(() => undefined);
    const held = await context.api.pendingApproval(AbortSignal.timeout(10_000));
    stage.line(`held by ${held.rules.join(', ')} as ${held.id}: ${held.statement ?? '(not shown)'}`);
    for (const notice of notices) stage.line(`the client was told: ${notice}`);
    const early = await Promise.race([waiting.then(() => true), new Promise<false>((done) => setTimeout(done, 300, false))]);
    stage.check('no row was released while it waited', !early && notices.length > 0);
    await context.api.approve(held.id);
    const released = await waiting;
    stage.line(`approved by the privacy officer; ${released.rows.length} rows released, masked:`);
    stage.table(released.fields, released.rows.slice(0, 3));
    stage.check(
      'every patient came back, masked',
      released.rows.length >= 10_000 && !leaks({ ...released, rows: released.rows.slice(0, 200) }),
    );

    stage.step('DROP TABLE is denied before it reaches the database', drop);
    const refusal = await ask(agent, drop).then(
      () => null,
      (fault: unknown) => (fault instanceof pg.DatabaseError ? fault : null),
    );
    if (refusal !== null) {
      stage.line(`ERROR ${refusal.code}: ${refusal.message}`);
      if (refusal.hint !== undefined) stage.line(`HINT: ${refusal.hint}`);
    }
    const still = await ask(direct, "SELECT to_regclass('public.patients')::text, count(*) FROM patients");
    stage.check('refused with 42501, and the table is still there', refusal?.code === '42501' && still.rows[0]?.[0] === 'patients');
  } finally {
    await Promise.allSettled([agent.end(), direct.end()]);
  }

  stage.step('The session is replayed from the record', 'sallyport session replay');
  const lines = await context.verify.replay();
  for (const line of lines) stage.line(line);
  stage.check(
    'every statement is there, as the client saw it',
    lines.some((line) => line.includes('DROP TABLE')),
  );

  stage.step('The audit log is verified, then a copy with one flipped byte', 'sallyport audit verify');
  const genuine = await context.verify.log();
  stage.line(`${genuine.size} entries, root ${genuine.root}`);
  stage.check('the log verifies against its signed checkpoint', genuine.ok && genuine.size > 0);
  const tampered = await context.verify.tamperedCopy();
  stage.line(`one byte flipped in a copy: ${tampered.problem ?? 'not noticed'}`);
  stage.check('the flipped byte is caught', !tampered.ok);
  return stage.failures;
}

async function ask(client: pg.Client, text: string): Promise<Answer> {
  const answer = await client.query<(string | null)[]>({ text, rowMode: 'array' });
  return { fields: answer.fields.map((field) => field.name), rows: answer.rows };
}

function digest(answer: Answer): string {
  return createHash('sha256').update(JSON.stringify(answer)).digest('hex');
}
