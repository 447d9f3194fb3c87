/** Calls the backend that this page's address names: ?api=http://127.0.0.1:8001&key=... */

const asked = new URLSearchParams(location.search);
const key = asked.get("key");
export const backend = (asked.get("api") ?? location.origin).replace(/\/+$/, "");

/** An answer of 400 or more; `detail` is what the backend said, a sentence or an object. */
export class Refusal extends Error {
  constructor(status, { detail }) {
    super(typeof detail === "string" ? detail : detail.error);
    this.status = status;
    this.detail = detail;
  }
}

async function send(path, { headers = {}, ...options } = {}) {
  const authorization = key ? { Authorization: `Bearer ${key}` } : {};
  const request = { ...options, headers: { ...headers, ...authorization } };
  const response = await fetch(backend + path, request);
  if (!response.ok) throw new Refusal(response.status, await response.json());
  return response;
}

async function json(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await send(`/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  return response.json();
}

export const get = (path) => json("GET", path);
export const post = (path, body = {}) => json("POST", path, body);
export const put = (path, body) => json("PUT", path, body);
export const remove = (path) => json("DELETE", path);

/** Send files as a form does, each under the same field. */
export async function upload(path, files, field = "file") {
  const body = new FormData();
  for (const file of files) body.append(field, file);
  return (await send(`/api/v1${path}`, { method: "POST", body })).json();
}

/** Fetch a file with the key, since a link sends none; gives it with the name it came under. */
export async function download(path) {
  const response = await send(path);
  return { blob: await response.blob(), name: nameIn(response.headers.get("Content-Disposition")) };
}

function nameIn(disposition) {
  const [, encoded] = /filename\*=UTF-8''([^;]+)/i.exec(disposition) ?? [];
  if (encoded) return decodeURIComponent(encoded);
  return /filename="([^"]+)"/i.exec(disposition)[1];
}
