/** What is open: a project, a scene, a clip. Whoever shows one of them is told when it changes. */

import { attempt } from "./acts.js";

const opened = { project: null, scene: null, clip: null };
const watchers = { project: [], scene: [], clip: [] };

export const current = (kind) => opened[kind];

export const whenOpened = (kind, show) => watchers[kind].push(show);

/** Open a thing, or null for none, and wait until all show it. */
export async function open(kind, thing) {
  opened[kind] = thing;
  await Promise.all(watchers[kind].map((show) => attempt(() => show(thing))));
}

/** Read, then show; of two calls the later one is shown, and both wait for that. */
export function latestOnly(read, show) {
  let latest;
  return (thing) => {
    const call = (async () => {
      const found = await read(thing);
      return call === latest ? show(found, thing) : latest;
    })();
    latest = call;
    return call;
  };
}
