/** Loads the page anew when the browser shows it again as it was: "back" after a log-out would show all that was read.
 *  @param target the window */
export function reloadWhenRestored(target: EventTarget, reload: () => void): void {
  target.addEventListener('pageshow', (event) => {
    if ((event as PageTransitionEvent).persisted) reload();
  });
}
