// What both adapters do with a picture's address.

/** The last part of an address, without query and fragment; `undefined` where it names no file. */
export function fileName(src: string): string | undefined {
  if (/^(data|blob):/i.test(src)) return undefined;
  const path = src.split(/[?#]/, 1)[0] ?? '';
  const last = path.slice(path.lastIndexOf('/') + 1);
  if (last === '') return undefined;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** The bytes behind an address; a `data:` URL is read without a request, which many pages' policies forbid. */
export async function pictureAt(src: string): Promise<Blob> {
  const data = /^data:([^;,]*)((?:;[^;,]*)*),/i.exec(src);
  if (data !== null) {
    const body = src.slice(data[0].length);
    const text = /;base64$/i.test(data[2] ?? '') ? atob(body) : decodeURIComponent(body);
    return new Blob([Uint8Array.from(text, (character) => character.charCodeAt(0))], { type: data[1] ?? '' });
  }
  const response = await fetch(src, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`the picture answered with status ${response.status}`);
  return response.blob();
}

/** Ids for pictures: the same address keeps its id for as long as the adapter lives. */
export class PictureIds {
  readonly #ids = new Map<string, string>();

  of(src: string): string {
    let id = this.#ids.get(src);
    if (id === undefined) {
      id = `img-${this.#ids.size + 1}`;
      this.#ids.set(src, id);
    }
    return id;
  }

  src(id: string): string | undefined {
    for (const [src, known] of this.#ids) if (known === id) return src;
    return undefined;
  }
}
