/** Renders errors.json, the one error table, as src/error-codes.ts and as docs/errors.md. */

/** @param {string} json text of errors.json @returns {string} TypeScript source */
export function renderErrorCodes(json) {
  const rows = JSON.parse(json).map(
    (e) =>
      `  ${e.name}: {\n    code: ${e.code}, scope: '${e.scope}', grpcStatus: '${e.grpcStatus}', retriable: ${e.retriable},\n    text: ${quote(e.text)},\n    whatToDo: ${wrap(e.whatToDo)},\n  },`,
  )
  return `// Generated from proto/errors.json by proto/generate.mjs; do not edit.

/** What the table says of one error. */
export interface ErrorEntry {
  /** int16; Kafka's number where Kafka has the error, from 1000 where it is ours, from 1100 where only clients raise it. */
  readonly code: number
  readonly scope: 'any' | 'partition' | 'topic' | 'group' | 'broker' | 'client'
  /** Name of the gRPC status when a whole call fails with it. */
  readonly grpcStatus: GrpcStatusName
  /** Whether the same request may succeed later. */
  readonly retriable: boolean
  readonly text: string
  readonly whatToDo: string
}

export type GrpcStatusName =
${[...new Set(JSON.parse(json).map((e) => e.grpcStatus))]
  .sort()
  .map((s) => `  | '${s}'`)
  .join('\n')}

/** Every error by its stable name. Codes and names never change; rows are only added. */
export const ERRORS = {
${rows.join('\n')}
} as const satisfies Record<string, ErrorEntry>

/** Stable name of an error. */
export type ErrorName = keyof typeof ERRORS
`
}

/** @param {string} json text of errors.json @returns {string} Markdown */
export function renderErrorsPage(json) {
  const rows = JSON.parse(json).map(
    (e) =>
      `| \`${e.name}\` | ${e.code} | ${e.scope} | ${e.grpcStatus} | ${e.retriable ? 'yes' : 'no'} | ${e.text} | ${e.whatToDo} |`,
  )
  return `# Errors

<!-- Generated from proto/errors.json by \`pnpm generate\`; do not edit. -->

Every failure that a client can meet has one of these names. A whole call fails with the gRPC status of its row and an
\`ErrorDetail\` in \`grpc-status-details-bin\`; where one call concerns several batches or partitions, each carries its own
\`ErrorDetail\` in the response. Codes are Kafka's numbers where Kafka has the error, from 1000 where only Stratalog has it,
and from 1100 where only client libraries raise it. Names and codes never change.

| Name | Code | Scope | gRPC status | Retriable | What happened | What to do |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}

function quote(text) {
  return text.includes("'") ? JSON.stringify(text) : `'${text.replaceAll('\\"', '"')}'`
}

function wrap(text) {
  const literal = quote(text)
  return literal.length + 16 > 120 ? `\n      ${literal}` : literal
}
