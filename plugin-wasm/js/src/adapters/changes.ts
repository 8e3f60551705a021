// What one Apply changed, so that taking it back touches nothing that was written since.

import type { HostValues } from '../element/adapter.js';

/** The fields of `to` whose place in the host still holds what `from` says; of the alt texts, picture by picture. */
export function stillHeld(now: HostValues, from: HostValues, to: HostValues): HostValues {
  const { alt_texts: alts, ...rest } = to;
  const kept: Record<string, unknown> = {};
  for (const name of Object.keys(rest) as (keyof typeof rest)[]) {
    if (same(now[name], from[name])) kept[name] = rest[name];
  }
  const texts = Object.entries(alts ?? {}).filter(
    ([id]) => (now.alt_texts?.[id] ?? '') === (from.alt_texts?.[id] ?? ''),
  );
  if (texts.length > 0) kept['alt_texts'] = Object.fromEntries(texts);
  return kept as HostValues;
}

/** What `values` holds for the fields, and of the alt texts for the pictures, that `names` names. */
export function only(values: HostValues, names: HostValues): HostValues {
  const picked = Object.fromEntries(Object.keys(names).map((name) => [name, values[name as keyof HostValues]]));
  const alts = Object.keys(names.alt_texts ?? {}).map((id) => [id, values.alt_texts?.[id] ?? '']);
  return { ...picked, ...(names.alt_texts !== undefined && { alt_texts: Object.fromEntries(alts) }) } as HostValues;
}

/** An absent value and an empty one are the same to a host. */
function same(one: unknown, other: unknown): boolean {
  const plain = (value: unknown) => JSON.stringify(value === '' || value === null ? undefined : value);
  return plain(one) === plain(other);
}
