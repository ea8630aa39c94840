// A follower's page.

import { card, count, dress } from "./post.js";
import { listen } from "./live.js";

const find = (id) => document.getElementById(id);
const number = Number(location.pathname.split("/").pop());

function step(link, to) {
  if (to >= 1 && to <= 10_000) link.href = `/followers/${to}`;
  else link.setAttribute("aria-disabled", "true");
}
step(find("previous"), number - 1);
step(find("next"), number + 1);

const shown = new Set();
let isFirst = true;

async function refresh() {
  const { person, posts } = await (await fetch(`/timelines/${number}`)).json();
  document.title = `${person.name} · Timeline`;
  find("name").textContent = person.name;
  find("facts").textContent = `Follower ${count(number)} · follows ${count(person.follows)}, you among them`
    + ` · followed by ${count(person.followers)}`;
  dress(find("avatar"), person);
  for (const post of posts.toReversed().filter(({ id }) => !shown.has(id))) {
    shown.add(post.id);
    const item = card(post, post.author);
    item.classList.toggle("new", !isFirst);
    find("timeline").prepend(item);
  }
  find("empty").hidden = shown.size > 0;
  isFirst = false;
}

listen(number, { timeline: refresh });
