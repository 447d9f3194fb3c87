/** One take: its picture in a list, and large with how it was made. */

import { byId, element } from "./dom.js";

export function figure(take, ...actions) {
  const label = [take.model_name, take.seed].filter((part) => part != null).join(" · ");
  return element(
    "figure",
    { data: { take: take.id, kind: take.content_type, selected: take.is_selected } },
    element("img", {
      src: take.thumbnail_url ?? take.url,
      alt: take.prompt,
      onclick: () => view(take),
    }),
    element("figcaption", {}, label),
    element("div", { className: "actions" }, ...actions),
  );
}

/** Each parameter is shown as it came, straight as text. */
function view(take) {
  const viewer = byId("viewer");
  const rows = Object.entries(take.generation_params).flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", { data: { param: name } }, typeof value === "boolean" ? String(value) : value),
  ]);
  const loras = take.loras.map(({ name, weight }) => element("li", {}, `${name} × ${weight}`));
  viewer.replaceChildren(
    media(take),
    element("p", {}, take.prompt),
    element("dl", {}, ...rows),
    element("ul", { className: "loras" }, ...loras),
    element("button", { type: "button", className: "close" }, "Close"),
  );
  viewer.onclose = () => viewer.replaceChildren();
  viewer.showModal();
}

function media({ content_type, url, thumbnail_url, prompt }) {
  if (content_type === "image") return element("img", { src: url, alt: prompt });
  return element("video", { src: url, poster: thumbnail_url, controls: true, muted: true });
}
