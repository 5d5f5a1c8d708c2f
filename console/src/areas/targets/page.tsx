import './targets.css';
import { Route, Switch } from 'wouter';
import { TargetList } from './list.tsx';
import { TargetPage } from './target.tsx';

export default function TargetsPage() {
  return (
    <Switch>
      <Route path="/targets/:name/:tab?">{({ name, tab }) => <TargetPage key={name} name={name} tab={tab ?? 'connect'} />}</Route>
      <Route>
        <TargetList />
      </Route>
    </Switch>
  );
}
