import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type SmtpDouble, type SmtpDoubleOptions, startSmtpDouble } from '../../test/support/smtp-double.ts';
import { Secret } from '../core/secret.ts';
import type { Mail } from '../notify/index.ts';
import { createAuthority, issueServerCertificate } from './certificates.ts';
import { createMailer, type MailServer } from './mailer.ts';

const mail: Mail = {
  from: 'gate@example.com',
  to: ['olga@example.com', 'otto@example.com'],
  subject: '[Sallyport] clinic: ä needs approval',
  text: 'Who:  Agent 1\n.a line with a dot\nä\n',
  messageId: '<ntf_a@example.com>',
  references: ['<root@example.com>'],
  headers: { 'Auto-Submitted': 'auto-generated' },
};
const never = new AbortController().signal;
const login = { user: 'gate', password: 'smtp-very-secret' };

describe('mail by SMTP', () => {
  let tls: { certificate: string; key: string };
  let ca = '';
  const doubles: SmtpDouble[] = [];
  before(async () => {
    const authority = await createAuthority({ name: 'test', nowMs: Date.now() });
    tls = await issueServerCertificate(authority, { hosts: ['mail.example.com'], nowMs: Date.now() });
    ca = authority.certificate;
  });
  after(async () => void (await Promise.all(doubles.map((double) => double.close()))));

  const start = async (options: Partial<SmtpDoubleOptions> = {}): Promise<SmtpDouble> => {
    const double = await startSmtpDouble({ tls, ...options });
    doubles.push(double);
    return double;
  };
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
  const mailer = (double: SmtpDouble, change: Partial<MailServer> = {}, deadlineMs = 10_000) =>
    createMailer(
      {
        host: 'mail.example.com',
        port: double.port,
        tls: 'starttls',
        rules: { allowPrivate: true, insecure: false, ca },
        login: null,
        ...change,
      },
      { resolve, deadlineMs },
    );
  const withLogin = { login: { user: login.user, password: new Secret(login.password) } };

  for (const kind of ['starttls', 'implicit'] as const) {
    it(`is sent by ${kind}, with log-in, and arrives as it is`, async () => {
      const double = await start({ login, implicit: kind === 'implicit' });
      assert.deepEqual(await mailer(double, { tls: kind, ...withLogin })(mail, never), { isSent: true });
      const [{ from, to, data, isEncrypted, user } = assert.fail()] = double.mails;
      assert.deepEqual([from, to, isEncrypted, user], ['gate@example.com', ['olga@example.com', 'otto@example.com'], true, 'gate']);
      assert.match(data, /^Message-ID: <ntf_a@example\.com>\r$/im);
      assert.match(data, /^References: <root@example\.com>\r$/im);
      assert.match(data, /^Auto-Submitted: auto-generated\r$/im);
      assert.match(data, /^Content-Type: text\/plain/im);
      assert.match(data, /\r\n\.a line with a dot\r\n/);
    });
  }

  it('never goes to a server without TLS, and never sends the password there', async () => {
    const double = await start({ tls: null, login });
    const { isSent } = await mailer(double, withLogin)(mail, never);
    assert.equal(isSent, false);
    assert.deepEqual(double.mails, []);
    assert.ok(!double.commands.some((line) => /^(AUTH|MAIL)/i.test(line)));
  });

  it('wants the certificate of the name', async () => {
    const double = await start();
    assert.equal((await mailer(double, { host: 'other.example.com' })(mail, never)).isSent, false);
    assert.equal((await mailer(double, { rules: { allowPrivate: true, insecure: false, ca: null } })(mail, never)).isSent, false);
    assert.deepEqual(double.mails, []);
  });

  it('goes to no address that is not allowed', async () => {
    const double = await start();
    const rules = { allowPrivate: false, insecure: false, ca };
    assert.deepEqual(await mailer(double, { rules })(mail, never), { isSent: false, fault: 'address-refused' });
    assert.deepEqual(double.commands, []);
  });

  it('goes without TLS to this machine when that is said', async () => {
    const double = await start({ tls: null });
    assert.deepEqual(await mailer(double, { rules: { allowPrivate: false, insecure: true, ca: null } })(mail, never), { isSent: true });
  });

  it('tells faults in its own words; a 5xx about the message is the last', async () => {
    const double = await start({ login });
    const wrong = { login: { user: 'gate', password: new Secret('smtp-wrong-secret') } };
    const refused = await mailer(double, wrong)(mail, never);
    assert.deepEqual(refused, { isSent: false, fault: 'smtp-log-in-refused' });
    assert.doesNotMatch(inspect(refused), /secret/);
    double.answers.set('RCPT', '550 5.1.1 canary');
    assert.deepEqual(await mailer(double, withLogin)(mail, never), { isSent: false, fault: 'smtp-address-refused', isFinal: true });
    double.answers.set('RCPT', '451 4.3.0 canary');
    assert.deepEqual(await mailer(double, withLogin)(mail, never), { isSent: false, fault: 'smtp-address-refused' });
    double.answers.delete('RCPT');
    double.answers.set('.', '554 5.7.1 canary');
    assert.deepEqual(await mailer(double, withLogin)(mail, never), { isSent: false, fault: 'smtp-message-refused', isFinal: true });
  });

  it('waits no longer than its deadline', async () => {
    const double = await start();
    double.answers.set('EHLO', '250-and on');
    assert.deepEqual(await mailer(double, {}, 100)(mail, never), { isSent: false, fault: 'timeout' });
    const cut = new AbortController();
    const sending = mailer(double)(mail, cut.signal);
    cut.abort();
    assert.deepEqual(await sending, { isSent: false, fault: 'interrupted' });
  });
});
