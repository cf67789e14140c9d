// The envelope of the vault: what is encrypted with what, and what may leave the page. It is the same in every client,
// so a change here locks people out. No DOM, no network, no storage; keys are only ever arguments and results.

import { concat, fromBase64, fromUtf8, toBase64, toHex, utf8 } from "./encoding.js";

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const RECOVERY_CODES = 4;
export const PASSPHRASE_MIN_CHARS = 16;

const CIPHER = "AES-GCM";
const CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const CODE_GROUPS = 8;
const CODE_GROUP_CHARS = 4;
const CODE_FORM = new RegExp(`^[${CODE_ALPHABET}]{4}(-[${CODE_ALPHABET}]{4}){${CODE_GROUPS - 1}}$`);

// A blob cannot be opened: another key, another id, or not what was stored.
export class CannotDecrypt extends Error {
  constructor() {
    super("This cannot be decrypted with the key of the vault.");
    this.name = "CannotDecrypt";
  }
}

// --- Cipher -------------------------------------------------------------------------------------------------------

export function randomBytes(size) {
  return crypto.getRandomValues(new Uint8Array(size));
}

// The key cannot be read out again, not even by this page.
export function importKey(raw) {
  return crypto.subtle.importKey("raw", raw, CIPHER, false, ["encrypt", "decrypt"]);
}

// Base64 of ciphertext, nonce, tag. `boundId` is the id of the row that the blob belongs to.
export async function encrypt(key, bytes, boundId, nonce = randomBytes(NONCE_BYTES)) {
  const options = { name: CIPHER, iv: nonce, additionalData: utf8(boundId), tagLength: TAG_BYTES * 8 };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(options, key, bytes));
  const split = sealed.length - TAG_BYTES;
  return toBase64(concat(sealed.subarray(0, split), nonce, sealed.subarray(split)));
}

// The reverse. Throws CannotDecrypt.
export async function decrypt(key, blob, boundId) {
  try {
    const raw = fromBase64(blob);
    const split = raw.length - NONCE_BYTES - TAG_BYTES;
    if (split < 0) throw new CannotDecrypt();
    const nonce = raw.subarray(split, split + NONCE_BYTES);
    const sealed = concat(raw.subarray(0, split), raw.subarray(split + NONCE_BYTES));
    const options = { name: CIPHER, iv: nonce, additionalData: utf8(boundId), tagLength: TAG_BYTES * 8 };
    return new Uint8Array(await crypto.subtle.decrypt(options, key, sealed));
  } catch {
    throw new CannotDecrypt();
  }
}

// --- Secrets ------------------------------------------------------------------------------------------------------

export function encryptPayload(orgKey, payload, secretId, nonce) {
  return encrypt(orgKey, utf8(JSON.stringify(payload)), secretId, nonce);
}

// Throws CannotDecrypt, also for what is no JSON object.
export async function decryptPayload(orgKey, blob, secretId) {
  const bytes = await decrypt(orgKey, blob, secretId);
  let payload;
  try {
    payload = JSON.parse(fromUtf8(bytes));
  } catch {
    throw new CannotDecrypt();
  }
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) throw new CannotDecrypt();
  return payload;
}

// --- Keys ---------------------------------------------------------------------------------------------------------

// What proves to the server that somebody has the key, without telling the key.
export async function authHash(masterKey) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", masterKey)));
}

// A key as the server stores it: the organization's key, wrapped under what a passphrase or code derives to.
export async function keyMaterial(masterKey, rawOrgKey, keyType, id = crypto.randomUUID(), nonce = undefined) {
  const wrapped = await encrypt(await importKey(masterKey), rawOrgKey, id, nonce);
  return { id, wrapped_org_encryption_key: wrapped, auth_hash: await authHash(masterKey), key_type: keyType };
}

// The raw key of the organization and the row that wraps it. The server does not say which row that is, so each is
// tried, primary keys first. Throws CannotDecrypt. Whoever calls overwrites `raw` when it is of no more use.
export async function unwrap(masterKey, wrapped, keys) {
  const key = await importKey(masterKey);
  const order = [...keys].sort((a, b) => Number(a.key_type !== "primary") - Number(b.key_type !== "primary"));
  for (const row of order) {
    try {
      const raw = await decrypt(key, wrapped, row.id);
      if (raw.length === KEY_BYTES) return { raw, row };
    } catch (error) {
      if (!(error instanceof CannotDecrypt)) throw error;
    }
  }
  throw new CannotDecrypt();
}

// --- Passphrases and recovery codes -------------------------------------------------------------------------------

// What a new passphrase needs; `isMet` of each for the given text.
export function passphraseRules(text) {
  return [
    { rule: `${PASSPHRASE_MIN_CHARS} characters or more`, isMet: [...text].length >= PASSPHRASE_MIN_CHARS },
    { rule: "a capital letter A-Z", isMet: /[A-Z]/.test(text) },
    { rule: "a small letter a-z", isMet: /[a-z]/.test(text) },
    { rule: "a digit 0-9", isMet: /[0-9]/.test(text) },
    { rule: "another character, such as - or a space", isMet: /[^A-Za-z0-9]/.test(text) },
  ];
}

export function isStrong(text) {
  return passphraseRules(text).every((rule) => rule.isMet);
}

export function newRecoveryCode() {
  const group = () => Array.from({ length: CODE_GROUP_CHARS }, randomCharacter).join("");
  return Array.from({ length: CODE_GROUPS }, group).join("-");
}

// A code that was typed with small letters, or with spaces around or instead of the hyphens, as it was shown; null
// for everything that is no code.
export function asRecoveryCode(text) {
  const code = text.trim().toUpperCase().replace(/[\s-]+/g, "-");
  return CODE_FORM.test(code) ? code : null;
}

// Every character equally likely: bytes beyond the last whole alphabet are thrown away.
function randomCharacter() {
  const end = 256 - (256 % CODE_ALPHABET.length);
  for (;;) {
    const [byte] = randomBytes(1);
    if (byte < end) return CODE_ALPHABET[byte % CODE_ALPHABET.length];
  }
}
