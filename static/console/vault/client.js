// The vault of the server, as the person who is signed in. No DOM; what goes through here is ciphertext.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class VaultClient {
  #root;
  #csrfToken;

  constructor(root, csrfToken) {
    this.#root = root;
    this.#csrfToken = csrfToken;
  }

  info = () => this.#call("GET", "/info");
  initialize = (body) => this.#call("POST", "/initialize", body);
  unlock = (authHash) => this.#call("GET", `/unlock?auth_hash=${authHash}`);
  keys = () => this.#call("GET", "/keys");
  changeKey = (body) => this.#call("PUT", "/keys/primary", body);
  deleteVault = () => this.#call("DELETE", "");
  secrets = () => this.#call("GET", "/secrets");
  secret = (id) => this.#call("GET", `/secrets/${id}`);
  create = (body) => this.#call("POST", "/secrets", body);
  change = (id, body, revision) => this.#call("PATCH", `/secrets/${id}`, body, { "If-Match": `"${revision}"` });
  remove = (id, revision) => this.#call("DELETE", `/secrets/${id}`, undefined, { "If-Match": `"${revision}"` });
  grant = (id, identityId) => this.#call("POST", `/secrets/${id}/access`, { identity_id: identityId });
  revoke = (id, identityId) => this.#call("DELETE", `/secrets/${id}/access/${identityId}`);

  async #call(method, path, body, headers = {}) {
    let response;
    try {
      response = await fetch(this.#root + path, {
        method,
        // Not followed: a redirect is the page for signing in.
        redirect: "manual",
        cache: "no-store",
        credentials: "same-origin",
        headers: {
          ...headers,
          "X-CSRFToken": this.#csrfToken,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new Refused(0, "The server does not answer. Try again in a moment.");
    }
    if (response.type === "opaqueredirect") throw new Refused(401, "You are signed out. Load the page again to sign in.");
    if (response.status === 204) return null;
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    const answer = isJson ? await response.json() : null;
    if (response.ok && answer !== null) return answer;
    throw new Refused(response.status, sentence(response, answer?.detail));
  }
}

function sentence(response, detail) {
  if (response.status === 429) {
    return `Too many attempts. Try again in ${response.headers.get("Retry-After") ?? "60"} seconds.`;
  }
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((issue) => `${issue.loc.at(-1)}: ${issue.msg}`).join(" ");
  if (typeof detail?.message === "string") return detail.message;
  if (response.status === 403) return "The server refused this. Load the page again.";
  return `The server could not do this (${response.status}). Try again, or tell its operator.`;
}
