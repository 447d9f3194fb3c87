/** The open scene's clips along time. One is dragged elsewhere, or where there is room. */

import { attempt, button } from "./acts.js";
import { get, put, Refusal } from "./api.js";
import { byId, element } from "./dom.js";
import { current, latestOnly, open, whenOpened } from "./opened.js";

const PIXELS_A_SECOND = 24;
const SPARE_SECONDS = 20;

const show = latestOnly(
  (scene) => (scene ? get(`/scenes/${scene.id}/clips`) : []),
  async (clips) => {
    if (document.querySelector(".block.dragged")) return;
    draw(clips);
    const shown = clips.find((clip) => clip.id === current("clip")?.id);
    await open("clip", shown ?? clips[0] ?? null);
  },
);

function draw(clips) {
  const ends = clips.map((clip) => clip.timeline_position + clip.length);
  const track = byId("track");
  track.style.width = `${(Math.max(0, ...ends) + SPARE_SECONDS) * PIXELS_A_SECOND}px`;
  track.replaceChildren(...clips.map(block));
}

function block(clip) {
  const made = element(
    "div",
    { className: "block", data: { clip: clip.id, name: clip.name, at: clip.timeline_position } },
    element("strong", {}, clip.name),
    element("small", {}, `${clip.timeline_position} s`),
  );
  const take = clip.generated_images.find(({ id }) => id === clip.selected_image_id);
  if (take) made.prepend(element("img", { src: take.thumbnail_url, alt: "", draggable: false }));
  made.style.left = `${clip.timeline_position * PIXELS_A_SECOND}px`;
  made.style.width = `${clip.length * PIXELS_A_SECOND}px`;
  made.onpointerdown = (event) => drag(event, made, clip);
  return made;
}

/** Follow the pointer to a tenth of a second; a press that moves nothing opens the clip. */
function drag(pressed, made, clip) {
  let position = clip.timeline_position;
  made.setPointerCapture(pressed.pointerId);
  made.classList.add("dragged");
  made.onpointermove = (event) => {
    const seconds = (event.clientX - pressed.clientX) / PIXELS_A_SECOND;
    position = Math.max(0, Math.round((clip.timeline_position + seconds) * 10) / 10);
    made.style.left = `${position * PIXELS_A_SECOND}px`;
  };
  made.onlostpointercapture = () => {
    made.onpointermove = null;
    made.classList.remove("dragged");
    attempt(() => (position === clip.timeline_position ? open("clip", clip) : move(clip, position)));
  };
}

/** Move a clip; where there is no room it goes back first, and then a free place is offered. */
async function move(clip, position) {
  const refusal = await put(`/clips/${clip.id}/timeline-position`, { position }).then(
    () => null,
    overlapIn,
  );
  await show(current("scene"));
  if (refusal) suggest(clip, refusal);
}

function overlapIn(error) {
  if (error instanceof Refusal && error.status === 409) return error.detail;
  throw error;
}

function suggest(clip, { error, suggested_position }) {
  const dialog = byId("overlap");
  const accept = async () => {
    dialog.close();
    await move(clip, suggested_position);
  };
  dialog.replaceChildren(
    element("p", {}, error),
    element(
      "div",
      { className: "actions" },
      button(`Move to ${suggested_position} s`, accept, { className: "accept" }),
      element("button", { type: "button", className: "close" }, "Leave it"),
    ),
  );
  dialog.showModal();
}

export function startTimeline() {
  whenOpened("scene", show);
  whenOpened("clip", (clip) => {
    for (const each of byId("track").children) {
      each.classList.toggle("open", each.dataset.clip === clip?.id);
    }
  });
}
