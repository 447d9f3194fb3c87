/** The project as files for editors. */

import { button } from "./acts.js";
import { download } from "./api.js";
import { byId, element } from "./dom.js";
import { current } from "./opened.js";

const older = (format) => (id) => `/api/projects/${id}/export/${format}`;
const newer = (format) => (id) => `/api/v1/projects/${id}/export/${format}`;

const FORMATS = {
  "Final Cut Pro": older("fcpxml"),
  EDL: older("edl"),
  Resolve: older("resolve"),
  JSON: older("json"),
  Premiere: newer("xmeml"),
  OpenTimelineIO: newer("otio"),
  "Shot list": newer("csv"),
};

async function save(path) {
  const { blob, name } = await download(path(current("project").id));
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  byId("saved").append(element("li", { data: { bytes: blob.size } }, name));
}

export function startExports() {
  const buttons = Object.entries(FORMATS).map(([label, path]) =>
    button(label, () => save(path), { data: { format: label } }),
  );
  byId("formats").replaceChildren(...buttons);
}
