// Opening, making and re-keying a vault: the steps between passphrase and key, in the order of the clients. No DOM.

import {
  KEY_BYTES,
  RECOVERY_CODES,
  asRecoveryCode,
  authHash,
  importKey,
  keyMaterial,
  newRecoveryCode,
  randomBytes,
  unwrap,
} from "./envelope.js";
import { deriveMasterKey, deriveMasterKeys } from "./kdf.js";

export class WrongKey extends Error {
  constructor() {
    super("This is neither the passphrase of the vault nor an unused recovery code.");
  }
}

// The key of the organization, for use only (its bytes cannot be read again), and what the server keeps for it.
// `usedCode` says that a recovery code opened it. Throws WrongKey, Refused.
export async function openVault(client, organizationId, typed) {
  const { raw, row, secrets } = await unwrapWith(client, organizationId, typed);
  const key = await importKey(raw);
  raw.fill(0);
  return { key, secrets, usedCode: row.key_type === "recovery" };
}

// A new vault: its key and its recovery codes, which exist nowhere else. `onStep` hears of `steps` steps.
export async function makeVault(client, organizationId, passphrase, onStep) {
  const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode);
  const steps = RECOVERY_CODES + 1;
  const masters = await deriveMasterKeys([passphrase, ...codes], organizationId, (done) => onStep(done, steps));
  const raw = randomBytes(KEY_BYTES);
  const [vaultKey, ...recoveryKeys] = await Promise.all(
    masters.map((master, index) => keyMaterial(master, raw, index === 0 ? "primary" : "recovery")),
  );
  await client.initialize({ vault_key: vaultKey, recovery_keys: recoveryKeys });
  const key = await importKey(raw);
  for (const bytes of [raw, ...masters]) bytes.fill(0);
  return { key, codes };
}

// A new passphrase in place of the one that is typed, or of a recovery code, which is used up. Throws WrongKey, Refused.
export async function changePassphrase(client, organizationId, typed, passphrase) {
  const { raw, row, hash } = await unwrapWith(client, organizationId, typed);
  const master = await deriveMasterKey(passphrase, organizationId);
  const { key_type: _, ...material } = await keyMaterial(master, raw, "primary");
  raw.fill(0);
  master.fill(0);
  const proof = row.key_type === "primary" ? "current_auth_hash" : "recovery_auth_hash";
  await client.changeKey({ ...material, [proof]: hash });
  return { usedCode: row.key_type === "recovery" };
}

// What was typed may be a recovery code in another spelling: the text itself comes first.
async function unwrapWith(client, organizationId, typed) {
  const code = asRecoveryCode(typed);
  for (const text of code === null || code === typed ? [typed] : [typed, code]) {
    const master = await deriveMasterKey(text, organizationId);
    try {
      const hash = await authHash(master);
      const bundle = await client.unlock(hash);
      if (bundle.wrapped_org_encryption_key === null) continue;
      const { raw, row } = await unwrap(master, bundle.wrapped_org_encryption_key, await client.keys());
      return { raw, row, hash, secrets: bundle.encrypted_secrets };
    } finally {
      master.fill(0);
    }
  }
  throw new WrongKey();
}
