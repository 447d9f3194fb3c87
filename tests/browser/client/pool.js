/** The project's pool: takes and files worth keeping, to be put into any clip. */

import { button } from "./acts.js";
import { get, post, remove, upload } from "./api.js";
import { byId, element } from "./dom.js";
import { onFiles } from "./files.js";
import { current, latestOnly, open, whenOpened } from "./opened.js";

const show = latestOnly(
  (project) => (project ? get(`/pool/${project.id}`) : []),
  (items) => byId("pool-items").replaceChildren(...items.map(card)),
);

function card(item) {
  return element(
    "figure",
    { data: { item: item.id, source: item.source_type } },
    element("img", { src: item.thumbnail_url ?? item.media_url, alt: item.name }),
    element("figcaption", {}, `${item.name} (${item.source_type.replaceAll("_", " ")})`),
    element(
      "div",
      { className: "actions" },
      button("Apply", () => apply(item), { className: "apply" }),
      button("Remove", () => drop(item), { className: "drop" }),
    ),
  );
}

/** Keep a take; its addresses go back as they came. */
export async function keepTake(clip, take) {
  await keep({
    name: clip.name,
    content_type: take.content_type,
    source_type: "clip_generation",
    source_clip_id: clip.id,
    media_url: take.url,
    thumbnail_url: take.thumbnail_url,
    generation_params: take.generation_params,
  });
}

async function keepFile(file) {
  const { file_url } = await upload("/upload-face-image", [file]);
  await keep({
    name: file.name,
    content_type: "image",
    source_type: "manual_upload",
    media_url: file_url,
    thumbnail_url: file_url,
    generation_params: {},
  });
}

async function keep(fields) {
  const project = current("project");
  await post("/pool", { project_id: project.id, description: "", tags: [], metadata: {}, ...fields });
  await show(project);
}

async function apply({ id }) {
  await post(`/pool/item/${id}/apply-to-clip/${current("clip").id}`);
  await open("scene", current("scene"));
}

async function drop({ id }) {
  await remove(`/pool/item/${id}`);
  await show(current("project"));
}

export function startPool() {
  onFiles(byId("pool-file"), ([file]) => keepFile(file));
  whenOpened("project", show);
}
