// Compiles only where both types are the same: `same<A, B>(true)`. It must stay a matter of types alone.

export function same<A, B>(
  _: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false,
): void {}
