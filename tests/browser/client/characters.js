/** Characters of the project: a face, other pictures, words; put into clips, drawn by themselves. */

import { button, onSubmit } from "./acts.js";
import { get, post, upload } from "./api.js";
import { byId, element } from "./dom.js";
import { onFiles } from "./files.js";
import { say } from "./notices.js";
import { current, latestOnly, whenOpened } from "./opened.js";

/** What was uploaded for the character that is being written. */
let pictures = { face_image: null, reference_images: [] };

const show = latestOnly(
  (project) => (project ? get(`/characters?project_id=${project.id}`) : []),
  (characters) => byId("character-list").replaceChildren(...characters.map(row)),
);

function row(character) {
  const drawn = element("div", { className: "drawn" });
  const shown = [character.face_image, ...character.reference_images].filter(Boolean);
  return element(
    "li",
    { data: { character: character.name } },
    element("div", { className: "faces" }, ...shown.map(thumbnail)),
    element("strong", {}, character.name),
    element("small", {}, character.trigger_words),
    button("Apply", () => apply(character), { className: "apply" }),
    button("Draw", () => draw(character, drawn), { className: "draw" }),
    drawn,
  );
}

const thumbnail = (src) => element("img", { src, alt: "" });

async function apply({ id, name }) {
  const { id: clip } = current("clip");
  await post(`/characters/${id}/apply/${clip}`);
  say(`${name} is in this clip.`);
}

async function draw({ id }, drawn) {
  const params = { width: 256, height: 256, steps: 4 };
  await post(`/characters/${id}/generate`, { prompt: "portrait", params });
  const { images } = await get(`/characters/${id}/gallery`);
  drawn.replaceChildren(...images.map(({ url }) => thumbnail(url)));
}

function preview() {
  const { face_image, reference_images } = pictures;
  const shown = [face_image, ...reference_images].filter(Boolean);
  byId("new-faces").replaceChildren(...shown.map(thumbnail));
}

async function make({ name, trigger_words }, form) {
  const project = current("project");
  await post("/characters", { project_id: project.id, name, trigger_words, ...pictures });
  pictures = { face_image: null, reference_images: [] };
  form.reset();
  preview();
  await show(project);
}

export function startCharacters() {
  onFiles(byId("face-file"), async (files) => {
    pictures.face_image = (await upload("/upload-face-image", files)).file_url;
    preview();
  });
  onFiles(byId("reference-files"), async (files) => {
    const { file_urls } = await upload("/upload-character-images", files, "files");
    pictures.reference_images = file_urls;
    preview();
  });
  onSubmit(byId("new-character"), make);
  whenOpened("project", show);
}
