// The module `draft`, as wasm-bindgen makes it from `src/lib.rs`. Only what the worker uses.

export function draft(request: string, looks: string): string;
export function ground(request: string, texts: string): string;
export function needs_dictionary(request: string): boolean;
export function install_dictionary(bytes: Uint8Array): void;
export default function init(from: { module_or_path: BufferSource }): Promise<unknown>;
