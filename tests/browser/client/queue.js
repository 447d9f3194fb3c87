/** The queue, asked again and again: what runs, what is done, and what can be tried again. */

import { attempt, button } from "./acts.js";
import { get, post } from "./api.js";
import { byId, element } from "./dom.js";
import { refreshTakes } from "./gallery.js";
import { say } from "./notices.js";

const PAUSE = 300;
/** Rows by job. One is made anew only with the job's status, so that no click meets a new button. */
const rows = new Map();
let hasLooked = false;

async function look() {
  const working = await get("/queue/jobs?status=processing,pending,completed");
  const ended = await get("/queue/jobs?status=failed,cancelled");
  const jobs = [...working, ...ended].sort((a, b) => a.created_at.localeCompare(b.created_at));
  const done = jobs.filter(showRow);
  const isNew = hasLooked;
  hasLooked = true;
  if (isNew) for (const job of done) await tellOf(job);
}

/** Show how a job stands; true when it was completed since the last look. */
function showRow(job) {
  const known = rows.get(job.id);
  if (known?.status === job.status) {
    known.bar.value = job.progress;
    return false;
  }
  const shown = { status: job.status, bar: element("progress", { max: 1, value: job.progress }) };
  shown.element = row(job, shown.bar);
  if (known) known.element.replaceWith(shown.element);
  else byId("jobs").prepend(shown.element);
  rows.set(job.id, shown);
  return job.status === "completed";
}

function row(job, bar) {
  const cancel = () => [bar, button("Cancel", () => change(job, "cancel"), { className: "cancel" })];
  const retry = () => [button("Retry", () => change(job, "retry"), { className: "retry" })];
  const actions = { pending: cancel, processing: cancel, failed: retry, cancelled: retry };
  return element(
    "li",
    { data: { job: job.id, status: job.status } },
    element("span", { className: "status" }, job.status),
    element("span", { className: "words" }, job.params.prompt),
    element("small", {}, job.error),
    ...(actions[job.status]?.() ?? []),
  );
}

async function change(job, what) {
  await post(`/queue/jobs/${job.id}/${what}`);
  await look();
}

async function tellOf(job) {
  const { url, thumbnail_url } = job.result;
  await refreshTakes(job.clip_id);
  say(`Done: ${job.params.prompt}`, { picture: thumbnail_url ?? url });
}

export async function startQueue() {
  await attempt(look);
  setTimeout(startQueue, PAUSE);
}
