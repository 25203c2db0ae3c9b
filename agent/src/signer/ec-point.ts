/** The point of an elliptic curve key as PKCS#11 tokens show it. */

/**
 * @param attribute CKA_EC_POINT: the point in a DER OCTET STRING (PKCS #11 2.40 §2.3.3), or bare,
 *   as some drivers give it.
 * @returns the uncompressed point of 65 bytes, or undefined.
 */
export function parseEcPoint(attribute: Uint8Array): Uint8Array | undefined {
  const wrapped = attribute.length === 67 && attribute[0] === 0x04 && attribute[1] === 0x41;
  const point = wrapped ? attribute.subarray(2) : attribute;
  return point.length === 65 && point[0] === 0x04 ? Uint8Array.from(point) : undefined;
}
