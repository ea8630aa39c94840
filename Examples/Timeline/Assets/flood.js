// Three hundred clients post at the same moment. Each one that is refused backs off on its own.

import { Gate, send } from "./send.js";
import { Chart } from "./chart.js";
import { count } from "./post.js";

const clients = 300;
// Browsers open six connections to a server; two stay free for the page itself. The wait for a connection is not the server's.
const gate = new Gate(4);

const openings = ["Watching", "Just saw", "Dreaming of", "All day long:", "Nothing beats", "Waiting for", "Finally", "Who else loves"];
const subjects = ["godwits", "mudflats", "tailwinds", "Alaska", "driftwood", "sandbanks", "migration", "coffee", "lighthouses", "sunrise",
  "backpressure", "curlews", "eelgrass", "thermals", "Yukon", "ferries"];
const pick = (list) => list[Math.floor(Math.random() * list.length)];
/** The first ones far more often than the last ones. */
const subject = () => subjects[Math.floor(Math.random() ** 2 * subjects.length)];

function somebody() {
  const text = `${pick(openings)} ${subject()} and ${subject()}.`;
  // The two hundred best known: between 49 and 5,000 followers.
  return { id: crypto.randomUUID?.() ?? randomID(), author: 1 + Math.floor(Math.random() * 200), text, writtenAt: Date.now() };
}

/** Where a page is not served from this machine or by TLS, browsers have no randomUUID. */
export function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Flood {
  #button = document.querySelector("#flood");
  #said = document.querySelector("#flood-said");
  #fields = Object.fromEntries(["accepted", "refused", "backing", "median", "limit"].map((id) => [id, document.querySelector(`#${id}`)]));
  #chart = new Chart(document.querySelector("#chart"));
  #running = null;
  #isWatching = false;
  #counts;

  constructor() {
    this.#button.addEventListener("click", () => this.#running ? this.#running.abort() : this.#run());
  }

  /** How the queue is, as the server says. The chart follows until it is empty again. */
  queue({ unfinished, bound }) {
    this.#fields.limit.textContent = count(bound);
    this.#button.dataset.unfinished = unfinished;
    if (this.#isWatching) this.#chart.queue(unfinished, bound);
    if (!this.#running && unfinished === 0) this.#isWatching = false;
  }

  async #run() {
    const running = this.#running = new AbortController();
    this.#isWatching = true;
    this.#counts = { accepted: 0, refused: 0, backing: 0 };
    this.#button.textContent = "Stop";
    this.#said.textContent = "Flooding";
    this.#chart.begin();
    this.#show();
    const outcomes = await Promise.allSettled(Array.from({ length: clients }, () => this.#client(running.signal)));
    const failure = outcomes.find(({ reason }) => reason && reason.name !== "AbortError")?.reason;
    this.#running = null;
    this.#counts.backing = 0;
    this.#button.textContent = "Flood again";
    this.#show();
    const { accepted, refused } = this.#counts;
    this.#said.textContent = failure ? `The flood failed: ${failure.message}`
      : `${accepted} of ${clients} posts accepted after ${refused} refusals; median answer ${Math.round(this.#chart.median ?? 0)} ms`;
    document.dispatchEvent(new CustomEvent("flood-over", { detail: { accepted, refused } }));
  }

  async #client(signal) {
    let isBacking = false;
    const back = (now) => { this.#counts.backing += Number(now) - Number(isBacking); isBacking = now; };
    const { took } = await send(somebody(), {
      gate, signal,
      onWait: ({ busy }) => {
        back(true);
        if (busy) { this.#counts.refused += 1; this.#chart.refused(); }
        this.#show();
      },
    });
    back(false);
    this.#counts.accepted += 1;
    this.#chart.accepted(took);
    this.#show();
  }

  #show() {
    const { accepted, refused, backing } = this.#counts, { median } = this.#chart;
    this.#fields.accepted.textContent = count(accepted);
    this.#fields.refused.textContent = count(refused);
    this.#fields.backing.textContent = count(backing);
    this.#fields.median.textContent = median === undefined ? "–" : `${median < 10 ? median.toFixed(1) : Math.round(median)} ms`;
  }
}
