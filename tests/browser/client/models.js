/** The model files of all servers, to look through. */

import { button } from "./acts.js";
import { get } from "./api.js";
import { byId, element } from "./dom.js";

let models = [];

async function read() {
  models = await get("/models?limit=500");
  show();
}

/** The whole list is here: what is typed leaves out rows, and asks nobody. */
function show() {
  const words = byId("model-search").value.toLowerCase();
  const found = models.filter(({ name }) => name.toLowerCase().includes(words));
  byId("model-list").replaceChildren(...found.map(row));
}

function row({ name, family, type, servers }) {
  const homes = servers.map((server) => server.name).join(", ");
  return element("li", {}, name, " ", element("small", {}, `${type}, ${family}: ${homes}`));
}

export function startModels() {
  byId("models-actions").append(button("Read", read, { id: "read-models" }));
  byId("model-search").oninput = show;
}
