// Stands in bundles for browsers and edge workers where files of Node's would stand (package.json, `imports`). Importing it
// fails, which is what those who import it are ready for; it must never be imported by its name.

throw new Error(
  'This bundle of @resonatehq/sdk was made for browsers and edge workers, where there is neither node:http nor node:sqlite. ' +
    'Leave out `path` of Resonate.local, or bundle for Node.',
)
