/** The project's music: bring it, hear it. */

import { button } from "./acts.js";
import { upload } from "./api.js";
import { byId } from "./dom.js";
import { onFiles } from "./files.js";
import { current, whenOpened } from "./opened.js";

function load(address, seconds) {
  const player = byId("music-player");
  byId("music-actions").hidden = player.hidden = !address;
  byId("music-length").textContent = address ? `${seconds.toFixed(1)} s` : "No music yet.";
  if (address) player.src = address;
  else player.removeAttribute("src");
}

export function startMusic() {
  const play = () => byId("music-player").play();
  byId("music-actions").append(button("Play", play, { id: "play-music" }));
  whenOpened("project", (project) => load(project?.music_file_path, project?.music_duration));
  onFiles(byId("music-file"), async (files) => {
    const stored = await upload(`/projects/${current("project").id}/upload-music`, files);
    load(stored.file_url, stored.duration);
  });
}
