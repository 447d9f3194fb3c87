/** Small messages in the corner: a sentence, and a picture of what was made. */

import { byId, element } from "./dom.js";

const MOST = 3;

export function say(words, { picture, tone = "good" } = {}) {
  const notice = element("li", { className: "notice", data: { tone } });
  if (picture) notice.append(element("img", { src: picture, alt: "" }));
  const close = () => notice.remove();
  notice.append(
    element("p", {}, words),
    element("button", { type: "button", ariaLabel: "Close", onclick: close }, "×"),
  );
  const notices = byId("notices");
  notices.append(notice);
  while (notices.children.length > MOST) notices.firstElementChild.remove();
}

/** Where React would show a white page, this one says what broke. */
export function showCrashes() {
  const show = (error) => {
    byId("crash").hidden = false;
    byId("crash").textContent = `This page broke: ${error?.message ?? error}`;
  };
  addEventListener("error", (event) => show(event.error));
  addEventListener("unhandledrejection", (event) => show(event.reason));
}
