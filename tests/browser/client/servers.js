/** ComfyUI servers: register them, look inside, remove them. */

import { button, onSubmit } from "./acts.js";
import { get, post, remove } from "./api.js";
import { byId, element } from "./dom.js";

export const allServers = () => get("/comfyui/servers");

async function show() {
  const servers = await allServers();
  byId("server-list").replaceChildren(...servers.map(row));
}

function row(server) {
  const inside = element("div", { className: "inside" });
  return element(
    "li",
    { data: { server: server.name, online: server.is_online } },
    element("span", { className: "dot" }),
    element("strong", {}, server.name),
    element("small", {}, server.url),
    button("Look inside", () => lookInside(server.id, inside), { className: "look" }),
    button("Remove", () => remove(`/comfyui/servers/${server.id}`).then(show)),
    inside,
  );
}

async function lookInside(id, inside) {
  const info = await get(`/comfyui/servers/${id}/info`);
  const state = info.is_online ? `ComfyUI ${info.version}` : "offline";
  inside.replaceChildren(
    element("p", {}, `${state}, ${info.queue_running} running`),
    ...["models", "loras", "vaes"].map((kind) => names(kind, info[kind])),
  );
}

function names(kind, things) {
  const rows = things.map(({ name, type }) =>
    element("li", {}, name.replace(/\.safetensors$/, ""), " ", element("small", {}, type)),
  );
  return element("ul", { className: kind, ariaLabel: kind }, ...rows);
}

export async function startServers() {
  onSubmit(byId("new-server"), async (server, form) => {
    await post("/comfyui/servers", server);
    form.reset();
    await show();
  });
  await show();
}
