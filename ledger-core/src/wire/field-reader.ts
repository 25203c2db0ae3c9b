/** The reader of decoded CBOR, as the wire formats use it. */

export type { FieldFault } from "../base/field-reader.ts";
export { FieldReader } from "../base/field-reader.ts";
