/** Starts every part of the page. */

import { attempt } from "./acts.js";
import { backend } from "./api.js";
import { startBatch } from "./batch.js";
import { startCharacters } from "./characters.js";
import { byId } from "./dom.js";
import { startExports } from "./exports.js";
import { startGallery } from "./gallery.js";
import { startGenerate } from "./generate.js";
import { startModels } from "./models.js";
import { startMusic } from "./music.js";
import { showCrashes } from "./notices.js";
import { whenOpened } from "./opened.js";
import { startPool } from "./pool.js";
import { startProjects } from "./projects.js";
import { startQueue } from "./queue.js";
import { startServers } from "./servers.js";
import { startTimeline } from "./timeline.js";

/** Every dialog has a button that closes it. */
function closeDialogs() {
  addEventListener("click", ({ target }) => {
    if (target.matches("dialog .close")) target.closest("dialog").close();
  });
}

/** What is about a project, a scene or a clip is there once one is open. */
function hideWhatNeedsMore() {
  for (const part of document.querySelectorAll("[data-needs]")) {
    whenOpened(part.dataset.needs, (thing) => {
      part.hidden = !thing;
    });
  }
}

showCrashes();
closeDialogs();
hideWhatNeedsMore();
startModels();
byId("backend").textContent = backend;
startTimeline();
startGallery();
startGenerate();
startBatch();
startPool();
startMusic();
startCharacters();
startExports();
await Promise.all([attempt(startServers), attempt(startProjects), startQueue()]);
document.body.dataset.state = "ready";
