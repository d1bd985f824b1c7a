/** Packages that only some formats need: optional dependencies, loaded when the format is used. */
import { StratalogError } from '@stratalog/proto'

/** Imports a package. Errors: UNSUPPORTED_FORMAT naming it when it is not installed. */
export async function loadFormatPackage<Module>(
  format: string,
  name: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    throw new StratalogError(
      'UNSUPPORTED_FORMAT',
      `format ${format} needs the package ${name}, which is not installed`,
      {
        cause,
        hint: `Install ${name}, an optional dependency of @stratalog/consumer, or choose ndjson or csv.`,
        metadata: { format, package: name },
      },
    )
  }
}
