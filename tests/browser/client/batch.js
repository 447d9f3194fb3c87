/** One take for each clip of the open scene. */

import { attempt, button, onSubmit } from "./acts.js";
import { get, post } from "./api.js";
import { byId, element, named, offer } from "./dom.js";
import { current, open } from "./opened.js";
import { allServers } from "./servers.js";

const PAUSE = 300;
const ENDS = ["completed", "failed", "cancelled"];

/** This dialog reads models and LoRAs from the server itself, not from its info. */
async function offerWhatServerHas(form) {
  const { models, loras } = await get(`/comfyui/servers/${form.server_id.value}`);
  offer(form.model, named(models, "First that fits"));
  offer(form.lora, named(loras, "No LoRA"));
}

async function make({ server_id, generation_type, prompt, model, lora }) {
  const clips = await get(`/scenes/${current("scene").id}/clips`);
  const batch = await post("/generate/batch", {
    clip_ids: clips.map(({ id }) => id),
    server_id,
    generation_type,
    prompt,
    model: model || null,
    loras: lora ? [{ name: lora, weight: 1 }] : [],
    params: { width: 256, height: 256, steps: 4 },
  });
  await follow(batch.id);
}

async function follow(id) {
  const batch = await get(`/generate/batch/${id}`);
  const made = batch.results.filter(({ result }) => result);
  byId("batch-state").textContent = `${batch.completed} of ${batch.total}, ${batch.status}`;
  byId("batch-results").replaceChildren(
    ...made.map(({ result }) => element("img", { src: result.url, alt: "" })),
  );
  if (ENDS.includes(batch.status)) await open("scene", current("scene"));
  else setTimeout(() => attempt(() => follow(id)), PAUSE);
}

export function startBatch() {
  const dialog = byId("batch");
  const form = dialog.querySelector("form");
  byId("scene-actions").append(
    button("Generate all …", async () => {
      const servers = await allServers();
      offer(form.server_id, servers.map(({ id, name }) => [id, name]));
      await offerWhatServerHas(form);
      dialog.showModal();
    }, { id: "open-batch" }),
  );
  form.server_id.onchange = () => attempt(() => offerWhatServerHas(form));
  onSubmit(form, make);
}
