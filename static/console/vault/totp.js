// One-time codes (RFC 6238) from what a login holds. No DOM.

const ALGORITHMS = { sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" };
const DIGITS = [6, 8];
const PERIODS = [30, 60];
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export class BadTotp extends Error {}

// The code at a moment (in milliseconds), and how many seconds it stays good. Throws BadTotp.
export async function totpCode(totp, moment = Date.now()) {
  const { secret, algorithm, digits, period } = checked(totp);
  const seconds = Math.floor(moment / 1000);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(Math.floor(seconds / period)));
  const hmac = { name: "HMAC", hash: ALGORITHMS[algorithm] };
  const key = await crypto.subtle.importKey("raw", base32(secret), hmac, false, ["sign"]);
  const digest = new DataView(await crypto.subtle.sign("HMAC", key, counter.buffer));
  const number = digest.getUint32(digest.getUint8(digest.byteLength - 1) & 15) & 0x7fffffff;
  return { code: String(number % 10 ** digits).padStart(digits, "0"), secondsLeft: period - (seconds % period), period };
}

// From what people paste: the address behind a QR code, or the bare secret. Throws BadTotp.
export function parseTotp(text) {
  const trimmed = text.trim();
  if (/^otpauth:/i.test(trimmed)) return fromAddress(trimmed);
  const totp = { secret: trimmed.replace(/[\s-]/g, "").toUpperCase() };
  checked(totp);
  return totp;
}

function fromAddress(text) {
  let address;
  try {
    address = new URL(text);
  } catch {
    throw new BadTotp("This is not an otpauth:// address.");
  }
  const [, kind, label] = /^otpauth:\/\/([^/?]*)\/?([^?]*)/i.exec(text) ?? [];
  if (kind?.toLowerCase() !== "totp") throw new BadTotp("Only codes that change with the time (totp) can be kept.");
  const query = address.searchParams;
  const [first, ...rest] = decoded(label).split(":");
  const issuer = query.get("issuer") || (rest.length ? first.trim() : "");
  const account = (rest.length ? rest.join(":") : first).trim();
  const totp = { secret: (query.get("secret") ?? "").replace(/[\s-]/g, "").toUpperCase() };
  if (query.has("algorithm")) totp.algorithm = query.get("algorithm").toLowerCase();
  if (query.has("digits")) totp.digits = Number(query.get("digits"));
  if (query.has("period")) totp.period = Number(query.get("period"));
  if (issuer) totp.issuer = issuer;
  if (account) totp.account_name = account;
  checked(totp);
  return totp;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checked({ secret, algorithm = "sha1", digits = 6, period = 30 }) {
  if (!Object.hasOwn(ALGORITHMS, algorithm)) throw new BadTotp("The algorithm has to be sha1, sha256 or sha512.");
  if (!DIGITS.includes(digits)) throw new BadTotp("The code has to have 6 or 8 digits.");
  if (!PERIODS.includes(period)) throw new BadTotp("The code has to change every 30 or 60 seconds.");
  if (base32(secret).length === 0) throw new BadTotp("The secret is missing.");
  return { secret, algorithm, digits, period };
}

function base32(text) {
  const characters = String(text ?? "").replace(/[\s-]/g, "").toUpperCase().replace(/=+$/, "");
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const character of characters) {
    const five = BASE32.indexOf(character);
    if (five < 0) throw new BadTotp("The secret has only the letters A-Z and the digits 2-7.");
    value = (value << 5) | five;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
      value &= (1 << bits) - 1;
    }
  }
  return Uint8Array.from(bytes);
}
