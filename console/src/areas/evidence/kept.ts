// What a person pastes: checkpoints and keys, with whatever an editor or a mail did to their ends.

/** Signed notes: text, an empty line, signature lines that begin with an em dash. What is none of it is handed on, for the verifier to refuse. */
export function splitNotes(pasted: string): string[] {
  const lines = pasted.replaceAll('\r\n', '\n').split('\n');
  const notes: string[] = [];
  let note: string[] = [];
  const end = (): void => {
    const text = note.join('\n').trim();
    if (text !== '') notes.push(`${text}\n`);
    note = [];
  };
  for (const line of lines) {
    const isSigned = note.at(-1)?.startsWith('\u2014 ') === true;
    if (isSigned && !line.startsWith('\u2014 ')) end();
    note.push(line);
  }
  end();
  return notes;
}

export const splitKeys = (pasted: string): string[] => pasted.split(/\s+/).filter((key) => key !== '');
