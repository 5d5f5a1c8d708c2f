// Texts of snippets, each as its language writes any text: nothing in a name can run.

/** Of the environment of whoever connects. */
export const TOKEN = 'SALLYPORT_TOKEN';
/** The certificate authority of the gateway, as `sallyport init` names it. */
export const CA = 'ca.crt';

/** One word of a POSIX shell. */
export const shell = (text: string): string => (/^[\w./:=@%-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
/** A string of JavaScript, Python, Java and Go alike; what cannot be seen, or turns text around, is written out. */
export const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007F-\u009F\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/g,
    (character) => String.raw`\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
export const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);
/** Also what `encodeURIComponent` leaves alone and a shell does not. */
export const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
