// The author's page.

import { send, Refused } from "./send.js";
import { card, count, Delivery, element } from "./post.js";
import { Flood, randomID } from "./flood.js";
import { Grid } from "./grid.js";
import { listen } from "./live.js";

const find = (id) => document.getElementById(id);
const [composer, text, problem, timeline, said] = ["composer", "text", "problem", "timeline", "said"].map(find);
const you = { number: 0, name: "You" };
const deliveries = new Map();  // By post id.
const unsent = new Set();
let lastProgress = { posts: [] };

// Posting.

function show(post, isNew) {
  if (deliveries.has(post.id)) return;
  const item = card(post, you);
  item.classList.toggle("new", isNew);
  deliveries.set(post.id, new Delivery(item));
  timeline.prepend(item);
  find("empty").hidden = true;
}

let watched, chunk = Infinity;
/** Follows the state of the newest post's job; of earlier ones the page has said enough. */
function watch(address, delivery) {
  watched?.close();
  const source = watched = new EventSource(`${address}/events`);
  source.addEventListener("state", (event) => {
    const { state } = JSON.parse(event.data);
    delivery.job(address, state, Math.ceil(10_000 / chunk));
    if (["succeeded", "failed", "cancelled", "expired"].includes(state)) source.close();
  });
}

async function publish(post) {
  show(post, true);
  unsent.add(post.id);
  const delivery = deliveries.get(post.id);
  said.textContent = "On your timeline";
  try {
    const answer = await send(post, {
      onWait: (waiting) => {
        delivery.waits(waiting);
        said.textContent = waiting.busy ? "The queue is full: trying again by itself" : "No answer: trying again by itself";
      },
    });
    delivery.accepted(answer);
    unsent.delete(post.id);
    said.textContent = "Accepted";
    watch(answer.job, delivery);
    tell(lastProgress);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    unsent.delete(post.id);
    deliveries.delete(post.id);
    timeline.querySelector(`[data-post="${CSS.escape(post.id)}"]`).remove();
    if (text.value === "") text.value = post.text;
    countDown();
    complain(error.message);
  }
}

function complain(message) {
  problem.textContent = message;
  problem.hidden = message === "";
  text.toggleAttribute("aria-invalid", message !== "");
}

// As the server counts, which has the last word: an emoji of many code points is one character.
const characters = new Intl.Segmenter();

function countDown() {
  find("count").textContent = 280 - [...characters.segment(text.value.trim())].length;
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  complain(words === "" ? "Write a few words first." : "");
  if (words === "") return text.focus();
  publish({ id: crypto.randomUUID?.() ?? randomID(), author: 0, text: words, writtenAt: Date.now() });
  text.value = "";
  countDown();
  text.focus();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) composer.requestSubmit();
});
text.addEventListener("input", () => { countDown(); complain(""); });

addEventListener("beforeunload", (event) => { if (unsent.size > 0) event.preventDefault(); });

// What the server tells.

const grid = new Grid(find("grid"));
let gridPost = null;

function tell(progress) {
  lastProgress = progress;
  for (const { id, delivered, total } of progress.posts) {
    const delivery = unsent.has(id) ? undefined : deliveries.get(id);
    delivery?.reached(delivered, total);
  }
  const { newest } = progress;
  if (!newest) return;
  const bits = Uint8Array.from(atob(newest.followers), (character) => character.charCodeAt(0));
  grid.show(bits, gridPost !== newest.id);
  const isWatched = gridPost === newest.id && newest.delivered > 0;
  if (isWatched && newest.delivered === newest.total && find("reached").textContent !== count(newest.total)) {
    said.textContent = "Delivered to all followers";
  }
  gridPost = newest.id;
  find("reached").textContent = count(newest.delivered);
  find("grid").setAttribute("aria-label", `${count(newest.delivered)} of ${count(newest.total)} followers have your newest post`);
}

async function refresh() {
  const { posts } = await (await fetch("/timelines/0")).json();
  for (const { delivered, total, ...post } of posts.toReversed()) {
    show(post, false);
    if (!unsent.has(post.id)) deliveries.get(post.id).reached(delivered, total);
  }
  find("empty").hidden = deliveries.size > 0;
  tell(lastProgress);
}

let trendsAt = 0;
function age() {
  const seconds = Math.max(0, Math.round((Date.now() - trendsAt) / 1000));
  find("trends-age").textContent = trendsAt === 0 ? "" : `counted ahead of time, ${seconds} s ago`;
}
setInterval(age, 1000);

const flood = new Flood();
listen(0, {
  timeline: refresh,
  progress: tell,
  queue: (queue) => flood.queue(queue),
  settings: (settings) => {
    chunk = settings.chunk;
    find("chunk").textContent = count(chunk);
    find("pace").textContent = `${count(settings.pace)} ms`;
  },
  trends: ({ words, madeAt }) => {
    trendsAt = words.length === 0 ? 0 : madeAt;
    age();
    find("trends-empty").hidden = words.length > 0;
    find("trends").replaceChildren(...words.map(({ word, count: uses }) => {
      const item = element("li", {}, element("b", { textContent: word }), element("span", { textContent: count(uses) }));
      item.style.setProperty("--share", `${100 * uses / words[0].count}%`);
      return item;
    }));
  },
});

// Opening a follower's timeline.

const number = find("number");
find("open").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = `/followers/${number.valueAsNumber}`;
});
find("random").addEventListener("click", () => { location.href = `/followers/${1 + Math.floor(Math.random() * 10_000)}`; });
find("grid").addEventListener("click", (event) => { location.href = `/followers/${grid.follower(event)}`; });
find("grid").addEventListener("pointermove", (event) => {
  find("grid-hint").textContent = `Follower ${count(grid.follower(event))}: click to open this timeline.`;
});
find("grid").addEventListener("pointerleave", () => {
  find("grid-hint").textContent = "Each dot is a follower; it lights up when your newest post is on their timeline.";
});
