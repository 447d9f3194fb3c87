/** The open clip's takes: look at them, choose the one that is shown, keep them in the pool. */

import { button } from "./acts.js";
import { get, put } from "./api.js";
import { byId } from "./dom.js";
import { current, latestOnly, open, whenOpened } from "./opened.js";
import { keepTake } from "./pool.js";
import { figure } from "./takes.js";

const NOTHING = { images: [], videos: [] };

const show = latestOnly(
  (clip) => (clip ? get(`/clips/${clip.id}/gallery`) : NOTHING),
  ({ images, videos }, clip) => {
    byId("clip-name").textContent = clip?.name ?? "No clip";
    byId("takes").replaceChildren(...[...images, ...videos].map((take) => card(clip, take)));
  },
);

function card(clip, take) {
  return figure(
    take,
    button("Choose", () => choose(clip, take), { className: "choose" }),
    button("Keep", () => keepTake(clip, take), { className: "keep" }),
  );
}

async function choose(clip, { id, content_type }) {
  const query = new URLSearchParams({ content_id: id, content_type });
  await put(`/clips/${clip.id}/select-content?${query}`);
  await open("scene", current("scene"));
}

/** Show anew what a clip has, if it is open. */
export async function refreshTakes(clipId) {
  if (current("clip")?.id === clipId) await open("scene", current("scene"));
}

export function startGallery() {
  whenOpened("clip", show);
}
