// The log-in page of the development identity provider: one button per person, no password. It says what it is.

import type { Persona } from './oidc-provider.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const html = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:12vh auto;padding:0 1rem;color:#1b2733}
button{display:block;width:100%;margin:.5rem 0;padding:.75rem 1rem;font:inherit;text-align:left;border:1px solid #b8c4d0;
border-radius:.5rem;background:#fff;cursor:pointer}button:hover,button:focus{border-color:#0b5cad}
small{display:block;color:#5b6b7b}p{color:#5b6b7b}`;

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${html(title)}</title><style>${STYLE}</style><h1>${html(title)}</h1>${body}</html>`;
}

export function loginPage(action: string, personas: readonly Persona[]): string {
  const buttons = personas.map(
    (persona) =>
      `<button name="persona" value="${html(persona.name)}">${html(persona.displayName)}<small>${html(persona.groups.join(', '))}</small></button>`,
  );
  return page(
    'Log in as',
    `<form method="post" action="${html(action)}">${buttons.join('')}</form>
<p>Development identity provider on this machine only. There are no passwords here; never use it for real data.</p>`,
  );
}

export function faultPage(text: string): string {
  return page('That did not work', `<p>${html(text)}</p>`);
}
