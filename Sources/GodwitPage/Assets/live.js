// Keeps the page up to date while somebody looks at it. Without this file everything works by reloading.
"use strict";

const part = document.querySelector("#part");
const status = document.querySelector("#live");
const button = document.querySelector("#pause");
const firstPause = 2000;
const longestPause = 60000;
// A server that takes a stream and ends it at once is no better than one that takes none.
const steadyAfter = 30000;
const remembered = "godwit-paused";
let pause = firstPause;
let source = null;
let timer = 0;
let openedAt = 0;
let isOver = false;
let isPaused = false;
try {
  isPaused = sessionStorage.getItem(remembered) === "yes";
} catch {
  // A browser may keep nothing: then each page begins anew.
}

function say(word) {
  status.hidden = false;
  status.dataset.state = word;
  if (status.textContent !== word) status.textContent = word;
}

/** Whoever reads or copies what is shown may have it stand still, on this page and the next ones. */
function setPaused(isNow) {
  isPaused = isNow;
  try {
    sessionStorage.setItem(remembered, isNow ? "yes" : "no");
  } catch {
    // As above.
  }
  showPaused();
  if (isNow) close();
  else open();
}

function showPaused() {
  button.hidden = isOver;
  button.textContent = isPaused ? "Go on" : "Pause updates";
  if (isPaused) say("paused");
}

function open() {
  clearTimeout(timer);
  if (document.hidden || source || isOver || isPaused) return;
  source = new EventSource(part.dataset.stream ?? location.pathname + location.search);
  openedAt = Date.now();
  source.addEventListener("part", (event) => {
    say("live");
    update(event.data);
  });
  source.addEventListener("over", (event) => {
    // Nothing more will come: it is not asked for again.
    isOver = true;
    close();
    say("ended");
    showPaused();
    if (event.data === "gone") document.querySelector("#foot").replaceChildren();
    if (event.data === "reload") location.reload();
  });
  source.addEventListener("error", () => {
    // The browser takes a refusal for the end: it is asked again, ever more rarely, for the server may be starting.
    close();
    if (isPaused) return;
    say("reconnecting");
    if (Date.now() - openedAt >= steadyAfter) pause = firstPause;
    // Not all who lost the same server come back at the same moment.
    timer = setTimeout(open, pause * (0.5 + Math.random()));
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
  const wanted = new Set([...fresh.children].map(key));
  // What is gone goes first: what stays then stands where it is to stand, and is not moved, for what is moved loses the focus.
  for (const child of [...old.children]) {
    if (key(child) === undefined) continue;
    if (wanted.has(key(child))) known.set(key(child), child);
    else child.remove();
  }
  let place = old.firstChild;
  function skip(isPassed) {
    while (place && isPassed(place)) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }
  for (const child of [...fresh.childNodes]) {
    const isText = child.nodeType === Node.TEXT_NODE;
    // A row keeps its element wherever it has moved to: nobody presses the button of another job.
    const same = known.get(key(child));
    if (same) {
      skip((one) => key(one) === undefined);
      if (same === place) place = place.nextSibling;
      else move(same, old, place);
      morph(same, child);
      continue;
    }
    if (!isText && key(child) === undefined) skip((one) => one.nodeType === Node.TEXT_NODE);
    if (place && key(child) === undefined && key(place) === undefined && place.nodeName === child.nodeName) {
      const current = place;
      place = place.nextSibling;
      morph(current, child);
    } else {
      old.insertBefore(document.adoptNode(child), place);
    }
  }
  skip(() => true);
}

/** What has the focus keeps it, also where the browser takes it from what is moved. */
function move(node, parent, place) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(node, place);
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
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
button.addEventListener("click", () => setPaused(!isPaused));
showPaused();
open();
