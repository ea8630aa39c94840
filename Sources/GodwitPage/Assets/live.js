// Keeps the page up to date while somebody looks at it. Without this file everything works by reloading.
"use strict";

const part = document.querySelector("#part");
const status = document.querySelector("#live");
const firstPause = 2000;
const longestPause = 60000;
let pause = firstPause;
let source = null;
let timer = 0;
let isOver = false;

function say(word) {
  status.hidden = false;
  status.dataset.state = word;
  if (status.textContent !== word) status.textContent = word;
}

function open() {
  clearTimeout(timer);
  if (document.hidden || source || isOver) return;
  source = new EventSource(location.pathname + location.search);
  source.addEventListener("part", (event) => {
    pause = firstPause;
    say("live");
    update(event.data);
  });
  source.addEventListener("over", (event) => {
    // Nothing more will come: it is not asked for again.
    isOver = true;
    close();
    say("ended");
    if (event.data === "reload") location.reload();
  });
  source.addEventListener("error", () => {
    // The browser takes a refusal for the end: it is asked again, ever more rarely, for the server may be starting.
    close();
    say("reconnecting");
    timer = setTimeout(open, pause);
    pause = Math.min(2 * pause, longestPause);
  });
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** The server's HTML, in which every text is escaped; parsed this way nothing in it runs. */
function update(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  morphChildren(part, fresh);
}

/** Makes `old` like `fresh` and leaves alone what is the same, so that focus, selection and scrolling stay. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
    old.replaceWith(document.adoptNode(fresh));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const known = new Map();
  for (const child of old.children) if (key(child) !== undefined) known.set(key(child), child);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    // A row keeps its element wherever it has moved to: nobody presses the button of another job.
    const same = known.get(key(child));
    if (same && same !== place) old.insertBefore(same, place);
    const current = same ?? place;
    if (current && (same || key(current) === undefined)) {
      place = current.nextSibling;
      morph(current, child);
    } else {
      old.insertBefore(document.adoptNode(child), place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function key(node) {
  return node.dataset?.key;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else open();
});
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);
open();
