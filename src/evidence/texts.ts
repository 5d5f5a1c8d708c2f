// README.html and VERIFY.md: what is in the bundle, and how to check it with tools that nobody here wrote.

import type { Scope } from './derivation.ts';
import { GO_PROGRAM } from './guide-go.ts';
import { h, page, tableHtml } from './html.ts';
import { cell, code } from './report-model.ts';
import { grouped, timeText } from './words.ts';

const CONTENTS: readonly (readonly [string, string])[] = [
  ['report.html, report.pdf', 'The report, for a screen and for paper: start here. Both say the same.'],
  ['records/*.csv', 'What happened, as tables. Every row names its log index and leaf hash.'],
  ['controls/hipaa.csv', 'HIPAA requirements and the records that speak to them.'],
  ['sessions/*.ndjson', 'The entries of each session, exactly as they are in the log.'],
  [
    'ocsf/*.ndjson',
    'The entries as OCSF 1.8 events, as a SIEM takes them, by class: 6005 is Datastore Activity, 3002 Authentication, and so on.',
  ],
  ['policies/*.yaml', 'Each version of the policy that decided in the range. The name is the SHA-256 of the file.'],
  ['samples/', 'Sealed results that were sampled, by hash. What they hold is encrypted to keys that the gateway does not have.'],
  ['log/', 'Signed checkpoint, starting checkpoint, public key, hash tiles, and every entry of the range.'],
  ['anchors/', 'What others saw of the log: witness cosignatures, time stamps. Absent when there are none.'],
  ['manifest.intoto.jsonl', 'All files with their hashes, signed by the key of the log (DSSE, in-toto Statement).'],
  ['SHA256SUMS', 'The same hashes for sha256sum.'],
  ['verify.mjs', 'The verifier, one file without dependencies.'],
  ['VERIFY.md', 'How to check everything, also without our verifier.'],
];

export function renderReadme(scope: Scope): string {
  const rows = CONTENTS.map(([name, what]) => [cell([code(name)]), cell(what)]);
  return page(
    `Evidence ${scope.origin}`,
    `<h1>Evidence bundle</h1>
<p class="lead">${h(timeText(scope.from))} to ${h(timeText(scope.to))} UTC, log <code>${h(scope.origin)}</code>.</p>
<p>Begin with <a href="report.html">report.html</a>, or <a href="report.pdf">report.pdf</a> for paper. Everything in them is derived from the signed log in this bundle, and the verifier derives it again.</p>
<h2>Contents</h2>
${tableHtml([{ label: 'File' }, { label: 'What it is' }], rows)}<h2>Verify</h2>
<p>With Node 22.15 or later, without a network: <code>node verify.mjs . --key KEY</code>, where KEY is the public key of the log that you were given
before and by another way than this bundle. Better still, use a verifier that did not come with the bundle: <code>sallyport evidence verify</code>.
<a href="VERIFY.md">VERIFY.md</a> has the way with sha256sum, openssl and Go.</p>
`,
  );
}

export function renderVerifyGuide(scope: Scope): string {
  return `# Verify this bundle

Log \`${scope.origin}\`, ${scope.from} to ${scope.to}: entries ${scope.first} to ${scope.end} (exclusive) of ${grouped(scope.size)}.

All commands run in the folder of the bundle (unpack a zip first). Nothing here needs a network or the maker of the bundle.

## The key

Everything rests on the public key of the log. Use the one that you were given before, by another way than this bundle; the copy in the
bundle only proves that the bundle agrees with itself.

\`\`\`sh
VKEY=\${VKEY:-$(cat log/log.vkey)}
t=$(mktemp -d)
# Ed25519 public key as OpenSSL reads it
{ printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; printf %s "$VKEY" | cut -d+ -f3- | base64 -d | tail -c 32; } > "$t/key.der"
\`\`\`

## With our verifier

\`node verify.mjs . --key "$VKEY"\`, or \`sallyport evidence verify . --key "$VKEY"\` from an installation of yours. It also derives report and
tables again, which the tools below do not.

## 1. Files: sha256sum

\`\`\`sh
sha256sum --check --strict --quiet SHA256SUMS
# and nothing else is here
find . -type f ! -path ./SHA256SUMS | cut -c3- | LC_ALL=C sort > "$t/here"
cut -c67- SHA256SUMS | LC_ALL=C sort | cmp - "$t/here"
\`\`\`

## 2. Manifest: openssl

\`\`\`sh
sed 's/.*"payload":"\\([^"]*\\)".*/\\1/' manifest.intoto.jsonl | base64 -d > "$t/payload"
sed 's/.*"sig":"\\([^"]*\\)".*/\\1/' manifest.intoto.jsonl | base64 -d > "$t/sig"
{ printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(wc -c < "$t/payload" | tr -d ' ')"; cat "$t/payload"; } > "$t/pae"
openssl pkeyutl -verify -pubin -inkey "$t/key.der" -keyform DER -rawin -in "$t/pae" -sigfile "$t/sig"
# the signed hashes are those of SHA256SUMS
sed 's/{"name":"\\([^"]*\\)","digest":{"sha256":"\\([0-9a-f]*\\)"}}/\\n\\2  \\1\\n/g' "$t/payload" | grep -E '^[0-9a-f]{64}  ' | LC_ALL=C sort > "$t/signed"
grep -v '  manifest.intoto.jsonl$' SHA256SUMS | LC_ALL=C sort | cmp - "$t/signed"
\`\`\`

## 3. Checkpoints: openssl

While the key of a log is being changed, a checkpoint has a signature of the new key and one of the old key; signatures of others, as witnesses,
may stand beside them. Manifest and starting checkpoint are signed by the new key only, so that is the one to give.

\`\`\`sh
signer="$(printf %s "$VKEY" | cut -d+ -f1) $(printf %s "$VKEY" | cut -d+ -f2)"
for file in checkpoint checkpoint.start; do
  sed '/^$/,$d' "log/$file" > "$t/text"
  # of several signatures the one of this key: name and four bytes of key id, then 64 bytes of signature
  : > "$t/note.sig"
  sed '1,/^$/d' "log/$file" | while read -r _ name line; do
    printf %s "$line" | base64 -d > "$t/line"
    [ "$name $(head -c 4 "$t/line" | od -An -tx1 | tr -d ' ')" != "$signer" ] || tail -c +5 "$t/line" > "$t/note.sig"
  done
  openssl pkeyutl -verify -pubin -inkey "$t/key.der" -keyform DER -rawin -in "$t/text" -sigfile "$t/note.sig" || exit 1
done
\`\`\`

## 4. Policies: sha256sum

\`\`\`sh
for file in policies/*.yaml; do
  [ ! -e "$file" ] || echo "$(basename "$file" .yaml)  $file" | sha256sum --check --strict --quiet || exit 1
done
\`\`\`

## 5. Entries: Go

Save as \`check-log.go\`, build it with \`golang.org/x/mod\` (\`go mod init check && go get golang.org/x/mod && go build -o check-log\`, or Debian's
golang-golang-x-mod-dev), and run \`./check-log . "$VKEY" ${scope.end}\`. It proves that the log at the beginning of the range is a prefix of the
log of the checkpoint, and that every entry of the range is there and unchanged.

\`\`\`go
${GO_PROGRAM}\`\`\`

## 6. Anchors

\`anchors/witness-*.checkpoint\` are checkpoints that witnesses have cosigned: \`verify.mjs --witness VKEY\` checks them, and so does any tool for
C2SP cosignatures. \`anchors/tsa-*.tsr\` are RFC 3161 time stamps of the checkpoint with that size; with the certificate of the authority:
\`openssl ts -verify -in FILE.tsr -data CHECKPOINT -CAfile CA.pem\`.

## What is proven

If all of this holds: the entries of the range are exactly those that the holder of the key signed, none is missing, changed or moved, and
the tables and the report say what they say.

Not proven: what never went through the gateway; that its clock was right; what sealed payloads hold; and that the holder of the key did
not sign another history. Against the last, compare with a checkpoint that you kept (\`--checkpoint FILE\`) or that a witness saw.
`;
}
