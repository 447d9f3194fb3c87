/** What people do: clicks and forms. What the backend refuses is told, anything else is a bug. */

import { Refusal } from "./api.js";
import { element } from "./dom.js";
import { say } from "./notices.js";

/** Do something; a refusal is told to `tell`. */
export async function attempt(act, tell = (words) => say(words, { tone: "bad" })) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(error.message);
    return undefined;
  }
}

export function button(label, act, properties = {}) {
  const onclick = () => attempt(act);
  return element("button", { type: "button", onclick, ...properties }, label);
}

/** Send a form once at a time, and tell a refusal inside it: a dialog covers everything else. */
export function onSubmit(form, act) {
  const told = form.querySelector("output");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    told.value = "";
    form.inert = true;
    try {
      await attempt(() => act(Object.fromEntries(new FormData(form)), form), (words) => {
        told.value = words;
      });
    } finally {
      form.inert = false;
    }
  });
}
