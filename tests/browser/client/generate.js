/** The dialog that makes one take. It stays open as long as the backend works on the answer. */

import { attempt, button, onSubmit } from "./acts.js";
import { get, post } from "./api.js";
import { byId, named, offer } from "./dom.js";
import { refreshTakes } from "./gallery.js";
import { say } from "./notices.js";
import { current } from "./opened.js";
import { allServers } from "./servers.js";

const NUMBERS = ["width", "height", "steps", "cfg", "seed", "video_frames", "video_fps"];
const WORDS = ["sampler", "scheduler", "vae", "preset"];

/** What was left empty is left out: the model's own preset fills it in. */
function settings(fields) {
  const given = (name) => fields[name] !== "";
  const numbers = NUMBERS.filter(given).map((name) => [name, Number(fields[name])]);
  const words = WORDS.filter(given).map((name) => [name, fields[name]]);
  return Object.fromEntries([...numbers, ...words]);
}

function order(fields) {
  const { generation_type, prompt, negative_prompt, server_id, model, lora, weight } = fields;
  return {
    clip_id: current("clip").id,
    server_id,
    generation_type,
    prompt,
    negative_prompt,
    model: model || null,
    loras: lora ? [{ name: lora, weight: Number(weight) }] : [],
    params: settings(fields),
  };
}

async function make(fields) {
  const asked = order(fields);
  const { message } = await post("/generate", asked);
  await refreshTakes(asked.clip_id);
  byId("generate").close();
  say(message);
}

/** Offer what the chosen server has; for "any" what the first one has. */
async function offerWhatServersHave(form) {
  const servers = await allServers();
  offer(form.server_id, [["auto", "Any server"], ...servers.map(({ id, name }) => [id, name])]);
  const asked = servers.find(({ id }) => id === form.server_id.value) ?? servers[0];
  if (!asked) return;
  const info = await get(`/comfyui/servers/${asked.id}/info`);
  offer(form.model, named(info.models, "First that fits"));
  offer(form.lora, named(info.loras, "No LoRA"));
  offer(form.vae, named(info.vaes, "Its own VAE"));
  offer(form.sampler, plain(info.samplers));
  offer(form.scheduler, plain(info.schedulers));
}

const plain = (names) => [["", "Preset's"], ...names.map((name) => [name, name])];

export function startGenerate() {
  const dialog = byId("generate");
  const form = dialog.querySelector("form");
  byId("clip-actions").append(
    button("Generate …", async () => {
      form.prompt.value = current("clip").image_prompt;
      await offerWhatServersHave(form);
      dialog.showModal();
    }, { id: "open-generate" }),
  );
  form.server_id.onchange = () => attempt(() => offerWhatServersHave(form));
  onSubmit(form, make);
}
