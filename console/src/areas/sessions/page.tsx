import './sessions.css';
import { Route, Switch } from 'wouter';
import { SessionPage } from './session.tsx';
import { SessionList } from './list.tsx';

export default function SessionsPage() {
  return (
    <Switch>
      <Route path="/sessions/:id">{({ id }) => <SessionPage key={id} id={id} />}</Route>
      <Route>
        <SessionList />
      </Route>
    </Switch>
  );
}
