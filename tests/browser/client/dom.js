/** Builds elements, and refuses what React refuses. */

export const byId = (id) => document.getElementById(id);

/** React throws at objects too, and the whole page turns white. */
export function text(value) {
  if (typeof value === "object" && value !== null) {
    throw new TypeError(`Objects are not valid as a child: ${JSON.stringify(value)}`);
  }
  return document.createTextNode(value ?? "");
}

export function element(tag, { data = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  made.append(...children.map((child) => (child instanceof Node ? child : text(child))));
  return made;
}

/** Offer choices in a select: [value, label] each; what was chosen stays if it is still there. */
export function offer(select, choices) {
  const chosen = select.value;
  select.replaceChildren(
    ...choices.map(([value, label]) => element("option", { value, textContent: label })),
  );
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

/** Choices of models, LoRAs and VAEs, which all have a name; the first choice is none. */
export function named(things, none) {
  const short = ({ name }) => name.replace(/\.(safetensors|ckpt|pt)$/, "");
  return [["", none], ...things.map((thing) => [thing.name, short(thing)])];
}
