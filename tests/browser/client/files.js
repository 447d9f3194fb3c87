/** File inputs: what is chosen is sent at once, and the input is free again. */

import { attempt } from "./acts.js";

export function onFiles(input, act) {
  input.addEventListener("change", async () => {
    const chosen = [...input.files];
    if (chosen.length === 0) return;
    await attempt(() => act(chosen));
    input.value = "";
  });
}
