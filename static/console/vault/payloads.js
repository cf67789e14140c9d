// What the types of secrets hold (snake_case members, absent ones left out), as fields of a form. No DOM.

import { parseTotp } from "./totp.js";

// `isSecret` fields are covered until somebody asks; `isLong` ones have lines; `totp` is an object of its own.
const field = (name, label, options = {}) => ({ name, label, isRequired: false, isSecret: false, isLong: false, ...options });
const NOTES = field("notes", "Notes", { isLong: true });
const ENDPOINT = field("endpoint", "Endpoint", { hint: "The address that it is used at." });

export const TYPES = {
  login: {
    label: "Login",
    fields: [
      field("username", "User name"),
      field("email", "Email"),
      field("password", "Password", { isRequired: true, isSecret: true }),
      field("url", "Website"),
      field("totp", "One-time codes", {
        isSecret: true,
        hint: "Paste the secret or the otpauth:// address behind the QR code.",
      }),
      NOTES,
    ],
  },
  api_key: {
    label: "API key",
    fields: [field("api_key", "API key", { isRequired: true, isSecret: true }), ENDPOINT, NOTES],
  },
  key_pair: {
    label: "Key pair",
    fields: [
      field("access_key", "Access key", { isRequired: true }),
      field("secret_key", "Secret key", { isRequired: true, isSecret: true }),
      ENDPOINT,
      NOTES,
    ],
  },
  ssh_key: {
    label: "SSH key",
    fields: [
      field("private_key", "Private key", { isRequired: true, isSecret: true, isLong: true }),
      field("public_key", "Public key", { isLong: true }),
      field("fingerprint", "Fingerprint"),
      field("passphrase", "Passphrase of the key", { isSecret: true }),
      NOTES,
    ],
  },
  other: {
    label: "Other",
    fields: [field("data", "Secret text", { isRequired: true, isSecret: true, isLong: true }), NOTES],
  },
};

// The server refuses more; encrypting adds 28 bytes.
export const PAYLOAD_MAX_BYTES = 256 * 1024 - 28;

export class BadField extends Error {
  constructor(name, message) {
    super(message);
    this.field = name;
  }
}

// The payload of what was typed; `before` is the payload that is edited, whose members that no field shows stay.
// An empty `totp` keeps the one there is: it is removed by `removesTotp`. Throws BadField.
export function buildPayload(type, typed, { before = {}, removesTotp = false } = {}) {
  const payload = { ...before };
  for (const { name, label, isRequired } of TYPES[type].fields) {
    const text = typed[name] ?? "";
    if (name === "totp") {
      if (removesTotp) delete payload.totp;
      if (text.trim()) payload.totp = totpOf(text);
    } else if (text !== "") {
      // Forms make every line break a plain one; what nobody changed stays as it was stored.
      const isUnchanged = name in before && String(before[name]).replace(/\r\n?/g, "\n") === text;
      if (!isUnchanged) payload[name] = text;
    } else if (isRequired) {
      throw new BadField(name, `${label} is missing.`);
    } else {
      delete payload[name];
    }
  }
  if (new TextEncoder().encode(JSON.stringify(payload)).length > PAYLOAD_MAX_BYTES) {
    throw new BadField(null, "This is too long: a secret holds 256 KiB. Shorten the longest field.");
  }
  return payload;
}

function totpOf(text) {
  try {
    return parseTotp(text);
  } catch (error) {
    throw new BadField("totp", error.message);
  }
}
