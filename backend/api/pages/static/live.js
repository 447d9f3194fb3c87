// The live page. The server renders the board as HTML; this puts each newer one in place of the
// old, node by node, and moves progress bars by the events in between. No framework, no build.
"use strict";

const KEY = "storycanvas.key";
const BOARD = "/live/board";
const EVENTS = "/api/v1/events?types=job,batch,server";
const PAINT_MS = 500; // two repaints a second at most
const READ_MS = 1000; // the board is read again no sooner than this
const BUSY_MS = 5000; // and no later while something runs: reasons and times change by themselves
const IDLE_MS = 15000;
const LONGEST_PAUSE_MS = 30000;

const find = (id) => document.getElementById(id);
const html = new DOMParser();

// -- the key -----------------------------------------------------------------------------------

const key = () => sessionStorage.getItem(KEY);

// A header carries bytes: those of the key in UTF-8.
const headers = () =>
  key() ? { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(key()))}` } : {};

function ask(path, options = {}) {
  const signal = AbortSignal.timeout(20000);
  return fetch(path, { cache: "no-store", signal, ...options, headers: headers() });
}

function lock(words) {
  stop();
  sessionStorage.removeItem(KEY);
  find("forget").hidden = true;
  find("board").replaceChildren();
  find("board").hidden = true;
  find("unlock").hidden = false;
  find("refused").textContent = words;
  document.title = "StoryCanvas";
  connection("");
  find("key").focus();
}

find("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, find("key").value.trim());
  find("key").value = "";
  find("refused").textContent = "";
  start();
});
find("forget").addEventListener("click", () => lock(""));

function connection(state, words = "") {
  document.body.dataset.state = state;
  const link = find("link");
  if (link.dataset.state === state && link.textContent === words) return;
  if (state) link.dataset.state = state;
  else delete link.dataset.state;
  link.textContent = words;
}

// -- words -------------------------------------------------------------------------------------

// As `length_of_time` of the server says it.
function lengthOfTime(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// -- putting a newer board in place ---------------------------------------------------------------

const sameKind = (one, other) =>
  one && !one.id && one.nodeType === other.nodeType && one.nodeName === other.nodeName;

function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  patchAttributes(old, fresh);
  const keep = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  for (const child of [...old.children]) if (child.id && !keep.has(child.id)) child.remove();
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const match = wanted.id ? known.get(wanted.id) : sameKind(place, wanted) ? place : null;
    if (!match) old.insertBefore(document.adoptNode(wanted), place);
    if (!match) continue;
    if (match === place) place = place.nextSibling;
    else old.insertBefore(match, place);
    patch(match, wanted);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function patchAttributes(old, fresh) {
  if (old.localName === "progress" && old.dataset.attempt === fresh.dataset.attempt)
    fresh.value = Math.max(old.value, fresh.value); // an event may be ahead of what was stored
  for (const { name, value } of [...fresh.attributes])
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    const isOurs = name === "open" || name === "disabled"; // what people opened, and what is under way
    if (!isOurs && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

// -- painting ----------------------------------------------------------------------------------

let newer = null; // a board that is not shown yet
let moved = new Map(); // the latest progress of jobs, by id
let painted = 0;
let painting = null;
let ahead = 0; // how far the server's clock is before this one, in ms

function paintSoon(pause = 0) {
  const wait = Math.max(pause, painted + PAINT_MS - performance.now(), 0);
  painting ??= setTimeout(() => requestAnimationFrame(paint), wait);
}

function paint() {
  painting = null;
  painted = performance.now();
  if (newer) {
    const section = document.activeElement?.closest?.("section")?.id;
    patch(find("board"), newer);
    newer = null;
    ahead = Number(find("board").dataset.now || Date.now()) - Date.now();
    // Who pressed a button by keyboard, and whose row is gone, goes on from its heading.
    if (section && document.activeElement === document.body) find(`${section}-title`)?.focus();
    document.title = `${document.querySelector("#board h1").textContent} · StoryCanvas`;
  }
  for (const [job, data] of moved) move(job, data);
  moved.clear();
  tick();
}

function move(job, data) {
  const id = CSS.escape(job);
  if (document.querySelector(`[data-sent="${id}"]`)) readSoon(); // it has begun
  const percent = `${Math.round(data.progress * 100)} %`;
  for (const bar of document.querySelectorAll(`[data-bar="${id}"]`)) {
    bar.value = data.progress;
    write(bar, percent);
  }
  for (const figure of document.querySelectorAll(`[data-percent="${id}"]`)) write(figure, percent);
  for (const left of document.querySelectorAll(`[data-left="${id}"]`)) expect(left, data.progress);
  if (!data.current_node) return;
  const steps = data.progress_total ? `, step ${data.progress_step ?? 0} of ${data.progress_total}` : "";
  for (const step of document.querySelectorAll(`[data-step="${id}"]`)) write(step, data.current_node + steps);
}

// As `by_progress` of the server: what is done tells ever better how long the rest takes.
function expect(left, progress) {
  const now = Date.now() + ahead;
  const trust = Math.min(1, Math.max(0, (progress - 0.1) / 0.4));
  if (!trust) return;
  const byProgress = ((now - left.dataset.began) * (1 - progress)) / progress;
  const until = now + (1 - trust) * Math.max(0, left.dataset.until - now) + trust * byProgress;
  left.dataset.until = Math.round(until);
}

function tick() {
  const now = Date.now() + ahead;
  for (const one of document.querySelectorAll("[data-until]"))
    write(one, lengthOfTime((one.dataset.until - now) / 1000));
  for (const one of document.querySelectorAll("[data-since]"))
    write(one, lengthOfTime((now - one.dataset.since) / 1000));
}

// -- reading the board ----------------------------------------------------------------------------

let reading = false;
let again = false;
let due = null;
let lastRead = 0;
let gap = READ_MS;
let run = 0; // grows with each start and stop: answers of an earlier one are not shown

function readSoon(at = lastRead + gap) {
  again = true;
  if (reading || due) return;
  due = setTimeout(read, Math.max(0, at - performance.now()));
}

function readNow() {
  clearTimeout(due);
  due = null;
  gap = READ_MS;
  readSoon(0);
}

async function read() {
  due = null;
  reading = true;
  again = false;
  const began = performance.now();
  const mine = run;
  const went = await fetched(mine);
  reading = false;
  if (mine !== run) return run % 2 ? readNow() : undefined;
  lastRead = performance.now();
  // A page that asks takes a fifth of a busy server's time for it at most, and less in trouble.
  gap = went ? Math.max(READ_MS, 4 * (lastRead - began)) : Math.min(gap * 2, LONGEST_PAUSE_MS);
  if (!went || again) readSoon();
}

async function fetched(mine) {
  try {
    const answer = await ask(BOARD);
    if (mine !== run) return true;
    if (answer.status === 401) {
      lock(key() ? "The server does not know that key." : "");
      return true;
    }
    const isBoard = (answer.headers.get("content-type") ?? "").startsWith("text/html");
    const board = isBoard && html.parseFromString(await answer.text(), "text/html").getElementById("board");
    if (mine !== run || !board) return false;
    newer = board;
    if (lost && answer.ok) listen(); // it is back: no need to wait until the browser tries again
    find("unlock").hidden = true;
    find("forget").hidden = !key();
    paintSoon();
    return answer.ok;
  } catch {
    connection("lost", "No connection, trying again");
    return false;
  }
}

// -- events ------------------------------------------------------------------------------------

let source = null;
let listenAgain = null;
let pause = 1000;
let lost = false;

function listen() {
  lost = false;
  clearTimeout(listenAgain);
  source?.close();
  source = new EventSource(key() ? `${EVENTS}&api_key=${encodeURIComponent(key())}` : EVENTS);
  source.onopen = () => {
    pause = 1000;
    connection("live", "Live");
    readSoon();
  };
  source.onerror = () => {
    connection("lost", "Connection lost, trying again");
    lost = true;
    const wait = pause * (0.75 + Math.random() / 2);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    readSoon(performance.now() + wait);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries by itself
    clearTimeout(listenAgain);
    listenAgain = setTimeout(listen, wait);
  };
  for (const topic of ["job", "batch", "server", "hello", "reset", "dropped"])
    source.addEventListener(topic, heard);
}

function heard(message) {
  const event = JSON.parse(message.data);
  if (event.type !== "job.progress") {
    readSoon();
    return;
  }
  moved.set(event.job_id, event.data);
  paintSoon();
}

function start() {
  run += run % 2 ? 2 : 1;
  connection("", "Connecting");
  listen();
  readNow();
}

function stop() {
  run += run % 2 ? 1 : 0;
  clearTimeout(due);
  clearTimeout(listenAgain);
  due = null;
  newer = null;
  moved.clear();
  source?.close();
  source = null;
}

setInterval(() => {
  if (!source) return;
  paintSoon();
  const patience = document.querySelector("[data-until]") ? BUSY_MS : IDLE_MS;
  if (performance.now() - lastRead > patience) readSoon();
}, 1000);

// A tab that nobody looks at holds no connection: browsers have six for a server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!find("board").hidden || key()) start();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => event.persisted && start());

// -- buttons -----------------------------------------------------------------------------------

const VERBS = {
  cancel: {
    title: (name) => `Cancel “${name}”?`,
    words: () => "If it runs, it is interrupted, and what it has rendered so far is lost.",
    yes: "Cancel the job",
  },
  retry: {
    title: (name) => `Try “${name}” again?`,
    words: (button) =>
      "It goes back into the queue, with all its tries." +
      ("paid" in button.dataset ? " It is made by a paid service, which charges for it again." : ""),
    yes: "Try again",
  },
};

function tell(words, tone = "") {
  find("told").dataset.tone = tone;
  find("told").hidden = false;
  find("told-words").textContent = words;
  clearTimeout(tell.hide);
  if (!tone) tell.hide = setTimeout(() => (find("told").hidden = true), 6000);
}
find("told-close").addEventListener("click", () => (find("told").hidden = true));

let pressed = null;

function confirmFor(button) {
  const verb = VERBS[button.dataset.act];
  pressed = button;
  find("ask-title").textContent = verb.title(button.dataset.name);
  find("ask-words").textContent = verb.words(button);
  find("ask-yes").textContent = verb.yes;
  find("ask").showModal();
}

find("ask-no").addEventListener("click", () => find("ask").close());
find("ask-yes").addEventListener("click", () => {
  find("ask").close();
  act(pressed);
});

async function act(button) {
  const { act: verb, job } = button.dataset;
  button.disabled = true;
  try {
    const answer = await ask(`/api/v1/queue/jobs/${encodeURIComponent(job)}/${verb}`, { method: "POST" });
    const said = await answer.json();
    if (answer.ok) tell(said.message);
    else tell(said.detail, "bad");
  } catch {
    tell("The server did not answer. Whether it was done shows here in a moment.", "bad");
  }
  button.disabled = false;
  readNow();
}

// With a key a plain link would be refused: its file is fetched and saved instead.
async function save(link) {
  try {
    const answer = await ask(link.href);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const told = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "");
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(await answer.blob());
    anchor.download = told ? told[1] : link.href.split("/").pop();
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
  } catch (error) {
    tell(error.message, "bad");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) confirmFor(button);
  const link = event.target.closest("a[data-file]");
  if (link && key()) {
    event.preventDefault();
    save(link);
  }
});

if (find("unlock").hidden || key()) start();
