// The HTTP API as `app` composes it.

export type { ApiTls } from './app.ts';
export type { ConsolePersona, ConsoleSurface } from './console-ports.ts';
export type * from './ports.ts';
export type { ReviewsSurface } from './review-views.ts';
export type { SubjectsSurface } from './subject-views.ts';
export type { Api } from './server.ts';
export { createApi } from './server.ts';
