// The very bytes of model.npz, from base64, and the arrays in them: what tinynn/files/npz.py reads.
//
//     file.npz  =  zip [ name.npy = header + numbers,  name.npy = header + numbers,  ... ]
//
// A page may be cut off or damaged on its way: each length, each header and each checksum is
// compared before a number is used. (PKWARE, APPNOTE.TXT, sections 4.3 and 4.4: the zip format.)
(() => {
  const KINDS = {
    "<f4": Float32Array,
    "<f8": Float64Array,
    "<i4": Int32Array,
    "<i8": BigInt64Array,
  };
  const HEADER =
    /^\{'descr': '(<[fiU][0-9]+)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n$/;

  tinynn.bytes = function (base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  };

  // Each array by its name: {data, shape}. A text (such as the architecture) is data itself.
  tinynn.readNpz = function (bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const arrays = {};
    for (const { name, start, size, check } of members(view, bytes)) {
      const content = bytes.subarray(start, start + size);
      if (crc32(content) !== check) throw new Error(`${name} is damaged: its checksum differs`);
      arrays[name.replace(/\.npy$/, "")] = readNpy(name, content);
    }
    return arrays;
  };

  // The directory at the end of the zip: where each member lies, its length, its checksum.
  function members(view, bytes) {
    const end = bytes.length - 22; // the last record, without a comment
    if (end < 0 || view.getUint32(end, true) !== 0x06054b50) throw new Error("it is cut off");
    const found = [];
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50)
        throw new Error("its directory is damaged");
      const [method, size] = [view.getUint16(at + 10, true), view.getUint32(at + 24, true)];
      const lengths = [28, 30, 32].map((k) => view.getUint16(at + k, true)); // name, extra, comment
      const local = view.getUint32(at + 42, true);
      const name = String.fromCharCode(...bytes.subarray(at + 46, at + 46 + lengths[0]));
      if (method !== 0) throw new Error(`${name} is compressed, as tinynn never does`);
      if (local + 30 > end) throw new Error("its directory is damaged");
      const start =
        local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      if (start + size > end) throw new Error(`${name} is cut off`);
      found.push({ name, start, size, check: view.getUint32(at + 16, true) });
      at += 46 + lengths[0] + lengths[1] + lengths[2];
    }
    return found;
  }

  // One array: magic, version 1.0, the header's length, the header, the numbers.
  function readNpy(name, bytes) {
    const length = bytes[8] + 256 * bytes[9];
    const header = HEADER.exec(String.fromCharCode(...bytes.subarray(10, 10 + length)));
    if (bytes[1] !== 0x4e || bytes[6] !== 1 || !header)
      throw new Error(`${name} is no array of numbers`);
    const [, kind, columns, dimensions] = header;
    const shape = dimensions
      .split(",")
      .filter((n) => n.trim())
      .map(Number);
    const numbers = bytes.slice(10 + length).buffer; // a copy, which begins where its numbers must
    if (kind.startsWith("<U"))
      return new Uint32Array(numbers).reduce((text, c) => text + String.fromCodePoint(c), "");
    const Kind = KINDS[kind];
    const count = shape.reduce((product, n) => product * n, 1);
    if (!Kind || numbers.byteLength !== count * Kind.BYTES_PER_ELEMENT)
      throw new Error(`${name} has another size than it says`);
    if (columns === "True" && shape.length > 1)
      throw new Error(`${name} lies by columns, as tinynn never writes it`);
    return { data: new Kind(numbers), shape };
  }

  // The checksum of zip and PNG (ISO 3309), with a table of each byte's remainder.
  const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
    return rest;
  });

  function crc32(bytes) {
    let rest = 0xffffffff;
    for (let i = 0; i < bytes.length; i++) rest = (rest >>> 8) ^ TABLE[(rest ^ bytes[i]) & 255];
    return ~rest >>> 0;
  }

  // Let the browser save bytes as a file of this name.
  tinynn.save = function (name, bytes, type = "application/octet-stream") {
    const address = URL.createObjectURL(new Blob([bytes], { type }));
    tinynn.element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser may ask where to first
  };
})();
