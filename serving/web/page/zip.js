// ZIP files of pictures, which are compressed already and stored as they are: PKWARE's APPNOTE, 4.3.7, 4.3.12 and 4.3.16.

const NAMES_ARE_UTF8 = 0x0800;
const VERSION = 20; // of the format, times ten

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Numbers of 2 or 4 bytes, the least first: [size, number] each. */
function record(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, number] of fields) {
    if (size === 2) view.setUint16(at, number, true);
    else view.setUint32(at, number, true);
    at += size;
  }
  return view.buffer;
}

function now() {
  const date = new Date();
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  return { time, day: ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate() };
}

export class Zip {
  #parts = []; // of the file, in order
  #directory = [];
  #names = new Set();
  size = 0; // in bytes

  get count() {
    return this.#names.size;
  }

  #unique(stem, suffix) {
    let name = `${stem}.${suffix}`;
    for (let number = 2; this.#names.has(name); number += 1) name = `${stem}-${number}.${suffix}`;
    this.#names.add(name);
    return name;
  }

  /** Adds a file; of several with one name, later ones get a number. */
  async add(stem, suffix, blob) {
    const name = new TextEncoder().encode(this.#unique(stem, suffix));
    const { time, day } = now();
    const common = [
      ...[[2, VERSION], [2, NAMES_ARE_UTF8], [2, 0], [2, time], [2, day]],
      ...[[4, checksum(new Uint8Array(await blob.arrayBuffer()))], [4, blob.size], [4, blob.size]],
      ...[[2, name.length], [2, 0]],
    ];
    const rest = [[2, 0], [2, 0], [2, 0], [4, 0], [4, this.size]];
    this.#directory.push(record([4, 0x02014b50], [2, VERSION], ...common, ...rest), name);
    const header = record([4, 0x04034b50], ...common);
    this.#parts.push(header, name, blob);
    this.size += header.byteLength + name.length + blob.size;
  }

  /** The whole file. */
  finish() {
    const directory = new Blob(this.#directory);
    const end = record(
      ...[[4, 0x06054b50], [2, 0], [2, 0], [2, this.count], [2, this.count]],
      ...[[4, directory.size], [4, this.size], [2, 0]],
    );
    return new Blob([...this.#parts, directory, end], { type: "application/zip" });
  }
}
