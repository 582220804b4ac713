// The types of dependencies, which programs say themselves. Exported as a whole (`export *`), since only so can it be added to from
// outside; it must stay empty here.

/**
 * What functions are given by name, with its type: say yours once, and `setDependency` and `getDependency` hold everyone to it.
 *
 *     declare module '@resonatehq/sdk' {
 *       interface Dependencies { readonly database: Pool }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: programs add to it.
export interface Dependencies {}
