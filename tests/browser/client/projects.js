/** Projects, their scenes and new clips: make them, open them. */

import { attempt, onSubmit } from "./acts.js";
import { get, post } from "./api.js";
import { byId, offer } from "./dom.js";
import { current, open } from "./opened.js";

const choices = (things) => things.map(({ id, name }) => [id, name]);

async function openProject(id) {
  const { project, scenes } = await get(`/projects/${id}/timeline`);
  byId("project").value = id;
  offer(byId("scene"), choices(scenes));
  await open("project", project);
  await open("scene", scenes[0] ?? null);
}

async function openScene(id) {
  byId("scene").value = id;
  await open("scene", await get(`/scenes/${id}`));
}

async function showProjects() {
  const { projects } = await get("/projects");
  offer(byId("project"), [["", "No project"], ...choices(projects)]);
  return projects;
}

async function makeProject(fields, form) {
  const made = await post("/projects", fields);
  form.reset();
  await showProjects();
  await openProject(made.id);
}

async function makeScene(fields, form) {
  const made = await post("/scenes", { ...fields, project_id: current("project").id });
  form.reset();
  offer(byId("scene"), choices(await get(`/projects/${current("project").id}/scenes`)));
  await openScene(made.id);
}

async function makeClip({ name, length, image_prompt }, form) {
  const scene_id = current("scene").id;
  const fields = { scene_id, name, length: Number(length), image_prompt, auto_generate: false };
  const made = await post("/clips", fields);
  form.reset();
  await open("scene", current("scene"));
  await open("clip", made);
}

/** Open the project that was changed last, if there is one. */
export async function startProjects() {
  byId("project").onchange = (event) => attempt(() => openProject(event.target.value));
  byId("scene").onchange = (event) => attempt(() => openScene(event.target.value));
  onSubmit(byId("new-project"), makeProject);
  onSubmit(byId("new-scene"), makeScene);
  onSubmit(byId("new-clip"), makeClip);
  const [newest] = await showProjects();
  if (newest) await openProject(newest.id);
}
