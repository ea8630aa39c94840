// How a post looks.

const numbers = new Intl.NumberFormat("en");
export const count = (number) => numbers.format(number);

/** An element with properties, data and children. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function dress(avatar, person) {
  avatar.style.setProperty("--hue", String(person.number === 0 ? 14 : (person.number * 137) % 360));
  avatar.textContent = person.name.split(" ").map((word) => word[0]).join("").slice(0, 2);
}

export function when(milliseconds) {
  const date = new Date(milliseconds), seconds = (Date.now() - milliseconds) / 1000;
  if (seconds < 45) return "now";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(undefined, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** A post's list item. `author` is {number, name}. */
export function card(post, author) {
  const avatar = element("span", { className: "avatar" });
  avatar.setAttribute("aria-hidden", "true");
  dress(avatar, author);
  const name = element("b", { textContent: author.name });
  const who = author.number === 0 ? name : element("a", { href: `/followers/${author.number}` }, name);
  const time = element("time", { dateTime: new Date(post.writtenAt).toISOString(), textContent: when(post.writtenAt) });
  const item = element("li", { className: "card post" },
    avatar, element("p", { className: "who" }, who, time), element("p", { className: "text", textContent: post.text }));
  item.dataset.post = post.id;
  return item;
}

/** Keeps all "3 min" honest. */
setInterval(() => {
  for (const time of document.querySelectorAll(".post time")) time.textContent = when(Date.parse(time.dateTime));
}, 30_000);

/** The part of an own post that tells of its delivery. */
export class Delivery {
  #now = element("span", { className: "now" });
  #facts = element("span");
  #bar = element("progress", { max: 1, value: 0 });
  #box;
  #answer = "";
  #job = null;

  constructor(item) {
    this.#bar.setAttribute("aria-label", "Delivered to followers");
    this.#box = element("div", { className: "delivery" }, this.#bar, element("p", { className: "says" }, this.#now, this.#facts));
    item.append(this.#box);
    this.#say("On your timeline");
  }

  #say(text, state = "") {
    this.#now.textContent = text;
    this.#box.className = `delivery ${state}`;
  }

  waits({ attempt, wait, busy }) {
    const why = busy ? "The queue is full" : "No answer";
    this.#say(`${why}: trying again in ${(wait / 1000).toFixed(1)} s (try ${attempt + 1})`, "waiting");
  }

  accepted({ took, job }) {
    this.#answer = `answered in ${took < 10 ? took.toFixed(1) : Math.round(took)} ms`;
    this.#say("Accepted");
    this.job(job, "queued");
  }

  /** The state of the post's job, with a link to all that is known of it. It is done when it has split into a job for each chunk. */
  job(address, state, chunks) {
    this.#job ??= element("a", { href: address });
    this.#job.textContent = state === "succeeded" && chunks ? `split into ${count(chunks)} jobs` : `job ${state}`;
    this.#facts.replaceChildren(this.#answer ? `${this.#answer} · ` : "", this.#job);
  }

  reached(delivered, total) {
    this.#bar.max = total;
    this.#bar.value = delivered;
    if (delivered === total) this.#say(`Delivered to all ${count(total)}`, "done");
    else if (delivered > 0 || this.#answer === "") this.#say(`Delivered to ${count(delivered)} of ${count(total)}`);
  }
}
