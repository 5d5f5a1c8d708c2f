// Logged in: the shell around one area. Else: the log-in page.

import { Suspense, useEffect } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import { Problem } from './api/client.ts';
import { AREAS } from './areas.ts';
import { LoginPage } from './login.tsx';
import { useLive, useWhoami, ViewerContext } from './session.tsx';
import { Shell } from './shell.tsx';
import { Boundary } from './ui/boundary.tsx';
import { Fault, Loading } from './ui/states.tsx';

export function App() {
  const whoami = useWhoami();
  const live = useLive();
  const isOver = whoami.error instanceof Problem && whoami.error.status === 401;
  const isLoggedIn = whoami.data !== undefined && !isOver;
  useEffect(() => {
    if (isLoggedIn) live.start();
    else live.stop();
  }, [isLoggedIn, live]);
  if (isOver) return <LoginPage />;
  if (whoami.data === undefined) {
    return whoami.error === null ? <Loading what="Sallyport" /> : <Fault fault={whoami.error} again={() => void whoami.refetch()} />;
  }
  const areas = AREAS.filter((area) => area.needs === undefined || whoami.data.rights.includes(area.needs));
  return (
    <ViewerContext value={whoami.data}>
      <Shell areas={areas}>
        <Switch>
          <Route path="/">
            <Redirect to="/approvals" replace />
          </Route>
          {areas.map(({ path, Page, title }) => (
            <Route key={path} path={`${path}/*?`}>
              <Boundary key={path}>
                <Suspense fallback={<Loading what={title} />}>
                  <Page />
                </Suspense>
              </Boundary>
            </Route>
          ))}
          <Route>
            <h1>There is no such page</h1>
            <p className="quiet">The address is wrong, or it needs a right that you do not have.</p>
          </Route>
        </Switch>
      </Shell>
    </ViewerContext>
  );
}
