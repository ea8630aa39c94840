// One stream of server-sent events for the whole page: it always says how things are now, so a reconnect needs no memory.

/** @param handlers by event name; each is called with the event's data. */
export function listen(person, handlers) {
  const badge = document.querySelector("#live");
  const source = new EventSource(`/events?person=${person}`);
  const show = (isOn) => {
    badge.textContent = isOn ? "live" : "reconnecting";
    badge.classList.toggle("on", isOn);
  };
  source.addEventListener("open", () => show(true));
  source.addEventListener("error", () => show(false));
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  addEventListener("pagehide", () => source.close());
}
